using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Stack;

/// <summary>What the conversion of a backing chain set out to do: a file beside its active image, from before the first layer is touched until all are done.</summary>
/// <remarks>
/// It holds nothing secret, and is believed as far as its folder is: who can write there could as well bring back what the layers were before.
/// </remarks>
internal sealed record ChainRecord
{
    private const string Extension = ".vmcrypt-chain";
    private const int MaxBytes = 1 << 20;

    public required ReencryptionMode Mode { get; init; }

    /// <summary>The active image first.</summary>
    public required ChainRecordLayer[] Layers { get; init; }

    public required ReencryptionResilience Resilience { get; init; }

    public required LuksVersion? Version { get; init; }

    public required string Cipher { get; init; }

    /// <summary>Bytes.</summary>
    public required int KeySize { get; init; }

    public required HashKind Hash { get; init; }

    public required int? SectorSize { get; init; }

    public required ChainRecordCost Cost { get; init; }

    public required bool LeaveHoles { get; init; }

    public required bool WipeFreed { get; init; }

    public required bool DropOtherSlots { get; init; }

    /// <summary>Where the record of the chain behind an active image lies; null where there is no place for one.</summary>
    public static string? PathOf(DiskLocation active) => active.Beside(Extension);

    /// <summary>A conversion of the chain is unfinished.</summary>
    public static bool IsBeside(DiskLocation active) => PathOf(active) is { } path && File.Exists(path);

    /// <summary>The record; null where there is none.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.ChainRecordInvalid"/>.</exception>
    public static async ValueTask<ChainRecord?> ReadAsync(DiskLocation active, CancellationToken cancellationToken)
    {
        if (!IsBeside(active))
        {
            return null;
        }

        string path = PathOf(active)!;
        try
        {
            await using FileDevice file = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, cancellationToken);
            byte[] text = new byte[file.Length <= MaxBytes ? file.Length : throw Invalid(path, $"it has {file.Length} bytes, and at most {MaxBytes} are allowed")];
            await file.ReadAsync(0, text, cancellationToken);
            return JsonSerializer.Deserialize(text, ChainRecordJson.Default.ChainRecord) is { Layers.Length: > 0 and <= StackOpener.MaxImages } record && !record.Layers.Contains(null)
                ? record
                : throw Invalid(path, "it names no layers");
        }
        catch (JsonException fault)
        {
            throw Invalid(path, fault.Message);
        }
    }

    /// <summary>Puts the record beside the active image; on the medium when this returns.</summary>
    public async ValueTask CreateAsync(DiskLocation active, CancellationToken cancellationToken)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(this, ChainRecordJson.Default.ChainRecord);
        await using PendingFile file = await PendingFile.CreateAsync(PathOf(active)!, new FileCreateOptions { Length = text.Length }, replace: false, cancellationToken);
        await file.Device.WriteAsync(0, text, cancellationToken);
        await file.CommitAsync(cancellationToken);
    }

    public static void Delete(DiskLocation active)
    {
        string path = PathOf(active)!;
        File.Delete(path);
        FilePlatform.Current.FlushFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>The layers, as they are to be recorded.</summary>
    /// <param name="chain">As it is before the first layer is touched.</param>
    /// <param name="converts">The layer is to be converted.</param>
    public static ChainRecordLayer[] LayersOf(IReadOnlyList<ChainImage> chain, Predicate<ChainImage> converts) =>
        [.. chain.Select(layer => new ChainRecordLayer(NameOf(chain[0], layer), converts(layer), layer.Image.Luks?.KeyMark))];

    /// <exception cref="RefusedException"><see cref="ErrorIds.ChainChanged"/>: other layers than those that were to be converted.</exception>
    public void RequireSame(IReadOnlyList<ChainImage> chain)
    {
        if (!Layers.Select(layer => layer.Path).SequenceEqual(chain.Select(layer => NameOf(chain[0], layer))))
        {
            throw new RefusedException(ErrorIds.ChainChanged,
                $"The backing chain of {chain[0].Location} is not the one whose conversion is unfinished: that had the layers {string.Join(", ", Layers.Select(layer => layer.Path))}.");
        }
    }

    /// <summary>Nothing is left to do for a layer.</summary>
    public bool IsDone(int layer, ImageDescription image) =>
        !Layers[layer].Converts || (!IsUnderWay(image) && Layers[layer].KeyMark != image.Luks?.KeyMark);

    /// <summary>How far it is.</summary>
    public ChainFacts Describe(IReadOnlyList<ChainImage> chain) =>
        new(Mode, Layers.Length, chain.Count == Layers.Length ? chain.Where((layer, number) => IsDone(number, layer.Image)).Count() : 0);

    /// <summary>The image itself is in the middle of a conversion.</summary>
    public static bool IsUnderWay(ImageDescription image) =>
        image.Unusable?.ErrorId is ErrorIds.Luks2ReencryptionUnfinished or ErrorIds.Qcow2ConversionUnfinished
        || image.Luks?.Flags.Any(flag => flag is Luks2ReencryptHeader.CleanUpFlag or Luks2ReencryptHeader.Luks1Flag) == true;

    // The folder may have another name after the next start.
    private static string NameOf(ChainImage active, ChainImage layer) => Path.GetRelativePath(active.Location.Folder!, layer.Location.Text);

    private static InvalidImageException Invalid(string path, string why) => new(ErrorIds.ChainRecordInvalid,
        $"The record '{path}' of an unfinished conversion is damaged: {why}.");
}

/// <summary>A layer as it was before the conversion of its chain.</summary>
/// <param name="Path">From the folder of the active image.</param>
/// <param name="Converts">There is something to do for it.</param>
/// <param name="KeyMark">Of its volume key (<see cref="LuksFacts.KeyMark"/>); null of a plain one.</param>
internal sealed record ChainRecordLayer(string Path, bool Converts, string? KeyMark);

/// <summary>A <see cref="KdfCost"/>.</summary>
internal sealed record ChainRecordCost(KdfKind? Kind, TimeSpan? IterTime, long? Iterations, long? MemoryKiB, int? Lanes)
{
    public static ChainRecordCost Of(KdfCost cost) => new(cost.Kind, cost.IterTime, cost.Iterations, cost.MemoryKiB, cost.Lanes);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KdfCostInvalid"/>.</exception>
    public KdfCost ToCost() => IterTime is { } time ? KdfCost.OfTime(time, Kind, MemoryKiB, Lanes)
        : Kind == KdfKind.Pbkdf2 ? KdfCost.OfIterations(Iterations ?? 0)
        : KdfCost.OfArgon2(Kind ?? KdfKind.Argon2id, Iterations ?? 0, MemoryKiB ?? 0, Lanes ?? 0);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ChainRecord))]
internal sealed partial class ChainRecordJson : JsonSerializerContext;
