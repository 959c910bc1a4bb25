using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>Turns old bytes of a payload into new ones, in memory. Owns its ciphers; a plain side has none.</summary>
internal sealed class PayloadCipher(PayloadSide before, PayloadSide after) : IDisposable
{
    public static PayloadCipher Of(Luks2ReencryptPlan plan, Luks2ReencryptKeys keys) => new(
        new PayloadSide(Luks2ReencryptKeys.CipherOf(plan.Before, keys.Before), plan.Before.Crypt?.IvTweak ?? 0),
        new PayloadSide(Luks2ReencryptKeys.CipherOf(plan.After, keys.After), plan.After.Crypt?.IvTweak ?? 0));

    public PayloadSide Before => before;

    public PayloadSide After => after;

    /// <param name="offset">From the start of the finished payload.</param>
    /// <param name="bytes">Whole sectors of both sides.</param>
    public void Convert(long offset, Span<byte> bytes)
    {
        before.Cipher?.Decrypt(before.IvAt(offset), bytes, bytes);
        after.Cipher?.Encrypt(after.IvAt(offset), bytes, bytes);
    }

    public void Dispose()
    {
        before.Cipher?.Dispose();
        after.Cipher?.Dispose();
    }
}

/// <summary>How a payload is encrypted before or after.</summary>
/// <param name="Cipher">Null for a plain one.</param>
/// <param name="IvTweak">Added to every IV.</param>
internal readonly record struct PayloadSide(SectorCipher? Cipher, ulong IvTweak)
{
    private const int IvUnit = 512;

    public static PayloadSide Plain => default;

    public ulong IvAt(long offset) => IvTweak + (ulong)(offset / IvUnit);
}
