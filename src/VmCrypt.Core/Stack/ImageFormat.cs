using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>The formats that a disk, or a layer of one, can have.</summary>
public enum ImageFormat
{
    /// <summary>No header at all: the bytes are the disk. Never recognised, only assumed.</summary>
    Raw,

    /// <summary>qcow2, version 2 or 3.</summary>
    Qcow2,

    /// <summary>qcow version 1, which is read only to liberate data.</summary>
    Qcow,

    /// <summary>A LUKS header in front of the payload.</summary>
    Luks,

    /// <summary>Hyper-V's VHDX.</summary>
    Vhdx,

    /// <summary>Hyper-V's older VHD (a footer at the end, a copy of it at the start of dynamic ones).</summary>
    Vhd,
}

/// <summary>Recognises a format by its first bytes.</summary>
public static class FormatProbe
{
    /// <summary>How many bytes of the start <see cref="Recognise"/> looks at; fewer are fine for a shorter disk.</summary>
    public const int MagicLength = 8;

    /// <summary>
    /// The format whose magic stands at the start, or <see cref="ImageFormat.Raw"/> where none does. A guest can write any
    /// magic into a raw disk, so the answer is trusted only for images whose start no guest controls.
    /// </summary>
    public static ImageFormat Recognise(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("QFI"u8) && start.Length >= 8 && start[3] == 0xfb)
        {
            return start[7] == 1 ? ImageFormat.Qcow : ImageFormat.Qcow2;
        }

        if (LuksHeader.Probe(start) is not null)
        {
            return ImageFormat.Luks;
        }

        if (start.StartsWith("vhdxfile"u8))
        {
            return ImageFormat.Vhdx;
        }

        return start.StartsWith("conectix"u8) ? ImageFormat.Vhd : ImageFormat.Raw;
    }

    /// <summary>Reads the start of <paramref name="device"/> and recognises it.</summary>
    public static async ValueTask<ImageFormat> RecogniseAsync(IBlockDevice device, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(MagicLength, device.Length)];
        await device.ReadAsync(0, start, cancellationToken);
        return Recognise(start);
    }
}
