namespace VmCrypt.Fuzz.Targets;

/// <summary>What qcow2 images are made of.</summary>
internal static class Qcow2Words
{
    /// <summary>The smallest LUKS header with its eight slots takes half a mebibyte.</summary>
    public const int MaxLength = 640 * 1024;

    public static IReadOnlyList<byte[]> All { get; } = Text.Words(
        "QFI\xfb\0\0\0\x02", "QFI\xfb\0\0\0\x03", "\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0", "\x68\x03\xf8\x57\0\0\0\x30", "\x23\x85\x28\x75\0\0\0\x18",
        "\x05\x37\xbe\x77\0\0\0\x10", "\x44\x41\x54\x41\0\0\0\x04data\0\0\0\0", "\0\0\0\0\0\0\0\0", "\x80\0\0\0\0\0\x02\0", "\x40\0\0\0\0\0\x02\0",
        "\0\0\0\0\0\0\0\x01", "\xff\xff\xff\xff\0\0\0\0", "\0\0\0\0\xff\xff\xff\xff", "\0\0\0\x09", "\0\0\0\x0e", "\0\0\0\x10", "\0\0\0\x15");

    /// <summary>The numbers of the header, see <see cref="Core.Images.Qcow2.Qcow2Header"/>.</summary>
    /// <param name="start">Where the image begins in the input.</param>
    public static IReadOnlyList<Field> Fields(int start) =>
    [
        .. new[] { 8, 24, 40, 48, 64, 72, 80, 88 }.Select(offset => new Field(start + offset, 8)),
        .. new[] { 4, 16, 20, 32, 36, 56, 60, 96, 100 }.Select(offset => new Field(start + offset, 4)),
        new Field(start + 104, 1),
    ];
}
