using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>Turns old bytes of a payload into new ones, in memory. Owns its ciphers.</summary>
internal sealed class PayloadCipher(Luks2ReencryptPlan plan, Luks2ReencryptKeys keys) : IDisposable
{
    private const int IvUnit = 512;

    private readonly SectorCipher? _before = Luks2ReencryptKeys.CipherOf(plan.Before, keys.Before);
    private readonly SectorCipher? _after = Luks2ReencryptKeys.CipherOf(plan.After, keys.After);

    /// <param name="offset">From the start of the finished payload.</param>
    /// <param name="bytes">Whole sectors of both sides.</param>
    public void Convert(long offset, Span<byte> bytes)
    {
        _before?.Decrypt(IvAt(plan.Before.Crypt!.IvTweak, offset), bytes, bytes);
        _after?.Encrypt(IvAt(plan.After.Crypt!.IvTweak, offset), bytes, bytes);
    }

    public void Dispose()
    {
        _before?.Dispose();
        _after?.Dispose();
    }

    private static ulong IvAt(ulong tweak, long offset) => tweak + (ulong)(offset / IvUnit);
}
