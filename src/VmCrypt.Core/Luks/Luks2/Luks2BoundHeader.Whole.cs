using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What is done with the header as a whole.</summary>
internal sealed partial class Luks2BoundHeader
{
    internal override KeyProof Proof => new(_terms.Digest.Hash, _terms.Digest.Iterations, _terms.Digest.Salt, _terms.Digest.Value);

    internal override long CopyLength => (long)_store.Metadata.HeaderSize;

    internal override async ValueTask<byte[]> CopyAsync(CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[HeaderLength];
        await Area.ReadAsync(0, bytes, cancellationToken);
        return bytes;
    }

    /// <remarks>What was free room for key slots is overwritten once: an interrupted change may have left key material there.</remarks>
    /// <inheritdoc/>
    public override async ValueTask<LuksErasure> EraseAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        Luks2Metadata old = _store.Metadata;
        await _store.BeginAsync(cancellationToken);
        await CommitAsync(WithoutKeys(old));
        if (!await _store.IsStoredAsync(CancellationToken.None))
        {
            throw new DeviceFaultException(ErrorIds.KeyMaterialNotErased,
                "The header without key slots was written, but does not read back: the device may still hold the keys.");
        }

        foreach (Luks2Area area in old.Keyslots.Select(slot => slot.Area))
        {
            await LuksEraser.OverwriteAsync(Area, (long)area.Offset, (long)area.Size, CancellationToken.None);
        }

        await LuksEraser.OverwriteOnceAsync(Area, 2 * CopyLength, (long)old.Config.KeyslotsSize, CancellationToken.None);
        return new LuksErasure(old.Keyslots.Length, old.Keyslots.Length, old.Tokens.Length);
    }

    public override ValueTask<LuksConversion> PlanConversionAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult<LuksConversion>(Luks2ToLuks1.Plan(Area, _store, _terms, _placement));

    private static Luks2Metadata WithoutKeys(Luks2Metadata metadata)
    {
        var edit = new Luks2Edit(metadata);
        foreach (Luks2Token token in metadata.Tokens)
        {
            edit.RemoveToken(token.Number);
        }

        foreach (Luks2Keyslot slot in metadata.Keyslots)
        {
            edit.RemoveKeyslot(slot.Number);
        }

        return edit.Done();
    }
}
