using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>The keys on both sides of a re-encryption; null for a plain side. Owns them.</summary>
internal sealed record Luks2ReencryptKeys(SecretBuffer? Before, SecretBuffer? After) : IDisposable
{
    /// <summary>A cipher for one side, which the caller disposes; null for a plain one.</summary>
    public static SectorCipher? CipherOf(Luks2Segment segment, SecretBuffer? key) => segment.Crypt is { } crypt && key is not null
        ? SectorCipher.Create(Luks2Terms.CipherOf(crypt.Cipher), key.Span, (int)crypt.SectorSize)
        : null;

    public void Dispose()
    {
        Before?.Dispose();
        After?.Dispose();
    }
}
