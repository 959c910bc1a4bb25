using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Vhd;

namespace VmCrypt.Core.Stack;

/// <summary>Names the container that a file is, those that are not opened here included: who takes one for a raw disk destroys it.</summary>
internal static class ContainerProbe
{
    private const int StartLength = 512;
    private const int TrailerLength = 512;

    private static readonly (int Offset, byte[] Magic, string Name)[] s_starts =
    [
        (0, [.. "KDMV"u8], "VMDK"),
        (0, [.. "COWD"u8], "VMDK"),
        (0, [.. "# Disk DescriptorFile"u8], "VMDK"),
        (0, [.. "QED\0"u8], "QED"),
        (0, [.. "WithoutFreeSpace"u8], "Parallels"),
        (0, [.. "WithouFreSpacExt"u8], "Parallels"),
        (0, [.. "Bochs Virtual HD Image"u8], "Bochs"),
        (64, [0x7f, 0x10, 0xda, 0xbe], "VDI"),
    ];

    /// <summary>The container's name; null for a raw disk, encrypted or not.</summary>
    public static async ValueTask<string?> NameAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(StartLength, file.Length)];
        await file.ReadAsync(0, start, cancellationToken);
        return FormatProbe.Recognise(start) is var format and not (ImageFormat.Raw or ImageFormat.Luks)
            ? format.ToString()
            : s_starts.FirstOrDefault(known => start.AsSpan(Math.Min(known.Offset, start.Length)).StartsWith(known.Magic)).Name
                ?? await NameOfTrailerAsync(file, cancellationToken);
    }

    // Fixed VHDs begin with the disk itself, a LUKS header perhaps; only their end tells.
    private static async ValueTask<string?> NameOfTrailerAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        if (file.Length < TrailerLength)
        {
            return null;
        }

        byte[] end = new byte[TrailerLength];
        await file.ReadAsync(file.Length - TrailerLength, end, cancellationToken);
        return VhdFooter.TryParse(end) is not null ? nameof(ImageFormat.Vhd)
            : end.AsSpan().StartsWith("koly"u8) ? "DMG"
            : null;
    }
}
