using System.Collections.Immutable;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Both copies of a header as the medium has them, and which of them counts.</summary>
/// <param name="Current">The sound one, of two the later; of equals the first.</param>
/// <param name="OtherSalt">The salt of the other one; default where that has a fault.</param>
/// <param name="Fault">What is wrong with the other one; null where it is the same state of the header.</param>
internal sealed record Luks2Copies(Luks2Copy Current, ImmutableArray<byte> OtherSalt, VmCryptException? Fault)
{
    /// <summary>Reads both copies; where the first is too damaged to say where the second lies, all places where it can lie are tried.</summary>
    /// <exception cref="InvalidImageException">Neither is sound: what is wrong with the first.</exception>
    /// <exception cref="UnsupportedFeatureException">Neither can be read: the version or checksum of the first.</exception>
    public static async ValueTask<Luks2Copies> ReadAsync(IBlockDevice area, CancellationToken cancellationToken)
    {
        Attempt first = await AttemptAsync(area, 0, cancellationToken);
        Attempt second = first.Binary is { } binary
            ? await AttemptAsync(area, binary.HeaderSize, cancellationToken)
            : await ScanAsync(area, cancellationToken);
        Luks2Copies copies = Choose(first, second);
        Luks2Metadata metadata = copies.Current.Metadata;
        return metadata.TotalSize <= (ulong)area.Length
            ? copies
            : throw new InvalidImageException(ErrorIds.LuksHeaderTruncated,
                $"The LUKS2 header and its key slots have {metadata.TotalSize} bytes, but the device only {area.Length}.");
    }

    /// <summary>True where <paramref name="other"/> is the same state of the same header.</summary>
    public bool IsSame(Luks2Copies other) =>
        Current.Binary.SequenceId == other.Current.Binary.SequenceId
        && Current.Binary.IsSecondary == other.Current.Binary.IsSecondary
        && Current.ToBytes().AsSpan().SequenceEqual(other.Current.ToBytes())
        && (Fault is null) == (other.Fault is null);

    private static Luks2Copies Choose(Attempt first, Attempt second)
    {
        if (first.Copy is { } one && second.Copy is { } two)
        {
            ulong a = one.Binary.SequenceId;
            ulong b = two.Binary.SequenceId;
            return a == b ? new Luks2Copies(one, two.Binary.Salt, null)
                : a > b ? new Luks2Copies(one, default, Stale(b, a))
                : new Luks2Copies(two, default, Stale(a, b));
        }

        return first.Copy is { } only ? new Luks2Copies(only, default, second.Fault)
            : second.Copy is { } rest ? new Luks2Copies(rest, default, first.Fault)
            : throw Unusable(first.Fault!, second.Fault!);
    }

    private static InvalidImageException Stale(ulong older, ulong newer) => new(ErrorIds.Luks2CopyStale,
        $"One copy of the LUKS2 header has the sequence id {older}, the other {newer}: a change was interrupted between the two.");

    // The sealed kinds cannot be rethrown with a longer sentence, so the first copy speaks for both.
    private static VmCryptException Unusable(VmCryptException first, VmCryptException second) => first switch
    {
        { ErrorId: ErrorIds.NotLuks } => new InvalidImageException(ErrorIds.NotLuks,
            "The device does not start with the LUKS magic, and has no second copy of a LUKS2 header either.", second),
        UnsupportedFeatureException => new UnsupportedFeatureException(first.ErrorId, first.Message, second),
        _ => new InvalidImageException(first.ErrorId, first.Message, second),
    };

    private static async ValueTask<Attempt> ScanAsync(IBlockDevice area, CancellationToken cancellationToken)
    {
        Attempt last = default;
        foreach (int offset in Luks2Layout.HeaderSizes.ToArray())
        {
            last = await AttemptAsync(area, offset, cancellationToken);
            if (last.Binary is not null)
            {
                break;
            }
        }

        return last;
    }

    private static async ValueTask<Attempt> AttemptAsync(IBlockDevice area, long offset, CancellationToken cancellationToken)
    {
        Luks2BinaryHeader? binary = null;
        try
        {
            (binary, byte[] bytes) = await Luks2Copy.ReadSealedAsync(area, offset, cancellationToken);
            return new Attempt(binary, new Luks2Copy(binary, Luks2Copy.ParseMetadata(binary, bytes)), null);
        }
        catch (VmCryptException fault) when (fault is InvalidImageException or UnsupportedFeatureException)
        {
            return new Attempt(binary, null, fault);
        }
    }

    /// <summary>What reading one copy came to. A binary part is only kept if its checksum was right.</summary>
    private readonly record struct Attempt(Luks2BinaryHeader? Binary, Luks2Copy? Copy, VmCryptException? Fault);
}
