using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Opens one key slot from the medium.</summary>
internal static class Luks2SlotReader
{
    /// <summary>The key that the passphrase finds in the slot and <paramref name="proof"/> proves; null where it opens nothing.</summary>
    public static async ValueTask<SecretBuffer?> TryOpenAsync(
        IBlockDevice area, Luks2Slot slot, Luks2Proof proof, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        byte[] material = new byte[slot.MaterialLength];
        await area.ReadAsync(slot.Offset, material, cancellationToken);
        return await LuksWork.RunAsync(
            () =>
            {
                using SecretBuffer key = slot.Open(material, passphrase.Span, cancellationToken);
                return proof.Proves(key.Span) ? key.Move() : null;
            },
            cancellationToken);
    }
}
