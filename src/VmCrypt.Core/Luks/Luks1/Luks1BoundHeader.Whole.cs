using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>What is done with the header as a whole.</summary>
internal sealed partial class Luks1BoundHeader
{
    internal override KeyProof Proof => new(Hash, _header.DigestIterations, _header.DigestSalt.AsMemory(), _header.Digest.AsMemory());

    internal override async ValueTask<byte[]> CopyAsync(CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[Luks2Layout.RoundUp(HeaderLength, LuksHeaderBackup.Page)];
        await Area.ReadAsync(0, bytes.AsMemory(0, (int)HeaderLength), cancellationToken);
        if (_header.Slots[0].MaterialOffset == LuksHeaderBackup.Page)
        {
            // Nobody knows what stands there; signatures of something older must not come back with a backup.
            bytes.AsSpan(Luks1Header.Size..LuksHeaderBackup.Page).Clear();
        }

        return bytes;
    }

    public override async ValueTask<LuksErasure> EraseAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        await _writer.RequireUnchangedAsync(_header, cancellationToken);
        int active = _header.Slots.Count(slot => slot.IsActive);
        _header = _header with { Slots = [.. _header.Slots.Select(slot => slot.Emptied())] };
        _facts = _header.Describe();
        await _writer.WriteEntriesAsync(_header);
        Luks1Header stored = await Luks1Header.ReadAsync(Area, CancellationToken.None);
        if (!stored.ToBytes().AsSpan().SequenceEqual(_header.ToBytes()))
        {
            throw new DeviceFaultException(ErrorIds.KeyMaterialNotErased,
                "The key slots were emptied, but the device does not return what was written: it may still hold the keys.");
        }

        // In one piece, so that what an interrupted change left between the slots goes as well.
        long start = _header.Slots.Min(slot => slot.MaterialOffset);
        await LuksEraser.OverwriteAsync(Area, start, HeaderLength - start, CancellationToken.None);
        return new LuksErasure(active, _header.Slots.Length, TokensRemoved: 0);
    }

    public override ValueTask<LuksConversion> PlanConversionAsync(CancellationToken cancellationToken) =>
        Luks1ToLuks2.PlanAsync(Area, _header, _terms, _placement, cancellationToken);
}
