using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;

namespace VmCrypt.Core.Keys.Store;

/// <summary>The disk that a stored key opens, by all the names that its administration has for it.</summary>
/// <remarks>A stored secret is bound to every one of these values: it cannot be moved to the record of another disk.</remarks>
public sealed record DiskIdentity
{
    internal const int MaxPath = 4096;
    internal const int MaxName = 255;

    /// <summary>The full path of the image, or its NBD URI.</summary>
    public required string Path { get; init; }

    /// <summary>Where the LUKS header lies if not in the image.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>What the LUKS header calls itself; finds the image again after it was moved.</summary>
    public string? LuksUuid { get; init; }

    public string? VM { get; init; }

    public Guid? VMUuid { get; init; }

    /// <summary>The storage pool (oVirt: spUUID).</summary>
    public Guid? Pool { get; init; }

    /// <summary>The storage domain (oVirt: sdUUID).</summary>
    public Guid? Domain { get; init; }

    public Guid? Image { get; init; }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.DiskKeyInvalid"/>.</exception>
    internal void Validate()
    {
        Require(nameof(Path), Path, MaxPath);
        Require(nameof(HeaderPath), HeaderPath, MaxPath);
        Require(nameof(LuksUuid), LuksUuid, MaxName);
        Require(nameof(VM), VM, MaxName);
    }

    /// <summary>The one encoding: what files hold and what a secret is bound to.</summary>
    internal byte[] ToBytes()
    {
        var writer = new FieldWriter();
        writer.Text(Path);
        writer.Text(HeaderPath);
        writer.Text(LuksUuid);
        writer.Text(VM);
        writer.Guid(VMUuid);
        writer.Guid(Pool);
        writer.Guid(Domain);
        writer.Guid(Image);
        return writer.ToArray();
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    internal static DiskIdentity Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        var disk = new DiskIdentity
        {
            Path = reader.Text(nameof(Path), MaxPath) ?? throw FieldReader.Damaged("A record names no path"),
            HeaderPath = reader.Text(nameof(HeaderPath), MaxPath),
            LuksUuid = reader.Text(nameof(LuksUuid), MaxName),
            VM = reader.Text(nameof(VM), MaxName),
            VMUuid = reader.OptionalGuid(nameof(VMUuid)),
            Pool = reader.OptionalGuid(nameof(Pool)),
            Domain = reader.OptionalGuid(nameof(Domain)),
            Image = reader.OptionalGuid(nameof(Image)),
        };
        reader.RequireEnd("A record's identity");
        return disk;
    }

    private static void Require(string field, string? text, int max)
    {
        if (text is not null && (text.Length == 0 || FieldWriter.LengthOf(text) > max))
        {
            throw new InvalidInputException(ErrorIds.DiskKeyInvalid, $"The {field} of a disk's key has {FieldWriter.LengthOf(text)} bytes; it must have 1 to {max}.");
        }
    }
}
