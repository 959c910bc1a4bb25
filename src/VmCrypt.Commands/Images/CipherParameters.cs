using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Images;

/// <summary>How a payload is to be encrypted: the parameters that all commands which make or change that have in common.</summary>
public class CipherParameters : KdfParameters
{
    private const int UsualKeyBits = 256;

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Cipher { get; set; }

    /// <summary>Bits.</summary>
    [Parameter]
    public int? KeySize { get; set; }

    [Parameter]
    public HashKind? Hash { get; set; }

    /// <summary>Bytes under one IV.</summary>
    [Parameter]
    [ByteSize]
    public int? SectorSize { get; set; }

    internal bool IsCipherGiven => ((object?)Cipher ?? KeySize ?? (object?)Hash ?? SectorSize) is not null;

    /// <param name="volumeKey">Borrowed; null for a fresh one.</param>
    internal LuksFormatOptions Payload(SecretBuffer? volumeKey = null)
    {
        CipherSpec cipher = Cipher is null ? CipherSpec.Default : CipherSpec.Parse(Cipher);
        return LuksFormatOptions.Default with
        {
            Cipher = cipher,
            KeySize = KeySize is { } bits ? Bytes(bits, cipher) : volumeKey?.Length ?? UsualKeyBytes(cipher),
            VolumeKey = volumeKey,
            Hash = Hash ?? LuksFormatOptions.Default.Hash,
            Cost = Cost,
            SectorSize = SectorSize,
        };
    }

    // 256 bits, which under XTS are two keys of 256.
    private static int UsualKeyBytes(CipherSpec cipher) => Math.Min(cipher.KeySizes[^1], (cipher.Mode == CipherMode.Xts ? 2 : 1) * UsualKeyBits / 8);

    private static int Bytes(int bits, CipherSpec cipher)
    {
        int bytes = bits % 8 == 0 ? bits / 8 : 0;
        cipher.RequireKeySize(bytes);
        return bytes;
    }
}
