using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>Which LUKS1 headers are made; more can be read.</summary>
internal static class Luks1FormatRules
{
    public static void Require(LuksFormatOptions options)
    {
        if (options.Version != LuksVersion.Luks1)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported, $"LUKS version {(int)options.Version} cannot be made.");
        }

        options.Cipher.RequireSupported();
        options.Cipher.RequireKeySize(options.KeySize);
        if (options.VolumeKey is { } key && key.Length != options.KeySize)
        {
            throw new InvalidInputException(ErrorIds.KeySizeInvalid,
                $"The volume key given has {key.Length} bytes, but the key size is {options.KeySize}.");
        }

        if (options.ForQemu)
        {
            RequireQemu(options);
        }
    }

    private static void RequireQemu(LuksFormatOptions options)
    {
        if (options.KeySize * Luks1Layout.Stripes % Luks1Layout.SectorSize != 0)
        {
            throw Refused($"QEMU aborts on volume keys of {options.KeySize} bytes; use another size.");
        }

        if (options.Hash == HashKind.Whirlpool)
        {
            throw Refused("QEMU does not know the hash whirlpool; use another.");
        }

        if (options.Cipher.Iv is IvGenerator.None or IvGenerator.Plain64BigEndian)
        {
            throw Refused($"QEMU does not open the cipher mode {options.Cipher.ModeName}; use plain, plain64 or essiv.");
        }
    }

    private static RefusedException Refused(string reason) =>
        new(ErrorIds.QemuCannotOpen, reason + " Or make a disk that is not for QEMU.");
}
