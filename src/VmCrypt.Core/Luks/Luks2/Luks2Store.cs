using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A header as it was last read or written, and the only writer of its two copies.</summary>
/// <remarks>
/// <para>A change: (1) the header is read again and must be what we know; (2) a copy that is damaged or behind is written anew
/// from the other, flush; (3) the first copy, flush; (4) the second copy, flush. Each copy is its binary part without checksum,
/// the JSON area, the binary part with checksum.</para>
/// <para>A crash in (2) or (4) leaves the other copy, which is current; one in (3) leaves the second copy with the state before.
/// So at no moment is there no sound copy, and never one that is older than the state before. What a copy refers to (key material)
/// is on the medium before it, and destroyed only after both. Nothing is cancelled between the writes.</para>
/// </remarks>
internal sealed class Luks2Store(IBlockDevice area, Luks2Copies copies)
{
    private Luks2Copies _copies = copies;

    public Luks2Metadata Metadata => _copies.Current.Metadata;

    public Luks2BinaryHeader Binary => _copies.Current.Binary;

    /// <summary>What is wrong with one of the copies; null where both are good.</summary>
    public VmCryptException? Fault => _copies.Fault;

    // One change a second would take longer than the universe: whoever wrote such a number meant us to start over at 0.
    private ulong NextSequenceId => Binary.SequenceId < ulong.MaxValue
        ? Binary.SequenceId + 1
        : throw new RefusedException(ErrorIds.Luks2SequenceExhausted, $"The sequence id of the LUKS2 header is {Binary.SequenceId}, after which there is none.");

    /// <summary>Refuses what does not fit into the JSON area, before anything is written.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LuksMetadataFull"/>, <see cref="ErrorIds.Luks2SequenceExhausted"/>.</exception>
    public void RequireFits(Luks2Metadata next) => _ = new Luks2Copy(Binary with { SequenceId = NextSequenceId }, next).ToBytes();

    /// <summary>Steps 1 and 2: makes sure that the medium has what we know, twice. True if a copy had to be written anew.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderChanged"/>.</exception>
    public async ValueTask<bool> BeginAsync(CancellationToken cancellationToken)
    {
        if (!await IsStoredAsync(cancellationToken))
        {
            throw new DeviceBusyException(ErrorIds.LuksHeaderChanged,
                "The LUKS header was changed by somebody else since it was opened; open it again.");
        }

        if (_copies.Fault is null)
        {
            return false;
        }

        Luks2Copy good = _copies.Current;
        Luks2Copy renewed = good with { Binary = Binary with { IsSecondary = !Binary.IsSecondary, Salt = Luks2BinaryHeader.FreshSalt() } };
        await WriteCopyAsync(area, renewed);
        _copies = renewed.Binary.IsSecondary
            ? new Luks2Copies(good, renewed.Binary.Salt, null)
            : new Luks2Copies(renewed, good.Binary.Salt, null);
        return true;
    }

    /// <summary>Steps 3 and 4, after <see cref="BeginAsync"/>.</summary>
    public async ValueTask CommitAsync(Luks2Metadata next, Func<Luks2BinaryHeader, Luks2BinaryHeader>? relabel = null)
    {
        Luks2BinaryHeader binary = relabel?.Invoke(Binary) ?? Binary;
        var copy = new Luks2Copy(binary with { SequenceId = NextSequenceId }, next);
        await WriteCopyAsync(area, copy);
        await WriteCopyAsync(area, copy with { Binary = copy.Binary with { IsSecondary = true, Salt = _copies.OtherSalt } });
        _copies = _copies with { Current = copy };
    }

    /// <summary>True where the medium has what we last read or wrote.</summary>
    public async ValueTask<bool> IsStoredAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await Luks2Copies.ReadAsync(area, cancellationToken)).IsSame(_copies);
        }
        catch (VmCryptException fault) when (fault is InvalidImageException or UnsupportedFeatureException)
        {
            return false;
        }
    }

    /// <summary>Writes one copy; nothing else is changed.</summary>
    public static async ValueTask WriteCopyAsync(IBlockDevice area, Luks2Copy copy)
    {
        long offset = copy.Binary.Offset;
        byte[] sealedBytes = copy.ToBytes();
        byte[] unsealed = new byte[Luks2Layout.BinarySize];
        copy.Binary.WriteTo(unsealed);
        await area.WriteAsync(offset, unsealed, CancellationToken.None);
        await area.WriteAsync(offset + Luks2Layout.BinarySize, sealedBytes.AsMemory(Luks2Layout.BinarySize), CancellationToken.None);
        await area.WriteAsync(offset, sealedBytes.AsMemory(0, Luks2Layout.BinarySize), CancellationToken.None);
        await area.FlushAsync(CancellationToken.None);
    }
}
