using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>Which LUKS1 headers are made; more can be read.</summary>
internal static class Luks1FormatRules
{
    public static void Require(LuksFormatOptions options)
    {
        options.RequireKey();
        _ = options.Cost.KindIn(LuksVersion.Luks1);
        if (options is not { SectorSize: null or Luks1Layout.SectorSize, Label: null, Subsystem: null, MetadataSize: null, KeyslotsSize: null })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "LUKS1 has no labels, sectors of 512 bytes only, and a header of fixed size; LUKS2 has a choice of all of them.");
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
