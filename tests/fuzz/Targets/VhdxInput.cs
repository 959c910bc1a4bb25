using System.Buffers.Binary;
using VmCrypt.Core.Buffers;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The parts of a VHDX file of several MiB that say something, one behind the other.</summary>
/// <remarks>Checksums are made good, unless the last byte of the input is odd: changes shall get past them.</remarks>
internal static class VhdxInput
{
    public const int MiB = 1024 * 1024;
    public const int FileBytes = 12 * MiB;
    public const int LogBytes = 3 * 4096;

    private const int HeaderBytes = 4096;
    private const int TableBytes = 64 * 1024;

    private static readonly int[] s_headers = [64 * 1024, 128 * 1024];
    private static readonly int[] s_tables = [192 * 1024, 256 * 1024];

    // Metadata and table lie in either order, by who made the file.
    private static readonly (int Offset, int Bytes)[] s_parts =
    [
        (0, 16), (s_headers[0], 80), (s_headers[1], 80), (s_tables[0], 96), (s_tables[1], 96), (MiB, LogBytes),
        (2 * MiB, 256), ((2 * MiB) + TableBytes, 512), (3 * MiB, 256), ((3 * MiB) + TableBytes, 512), (4 * MiB, 64),
    ];

    public static IReadOnlyList<byte[]> Words { get; } =
        Text.Words("vhdxfile", "head", "regi", "metadata", "loge", "desc", "zero", "data", "\0\0\x10\0", "\0\0\x20\0", "\x06\0\x40\0", "\x07\0\x50\0");

    /// <summary>Headers, region tables, then the log: places of their numbers.</summary>
    public static IReadOnlyList<Field> Fields { get; } =
    [
        .. new[] { 16, 96 }.SelectMany(header => new Field[] { new(header + 8, 8), new(header + 64, 2), new(header + 66, 2), new(header + 68, 4), new(header + 72, 8) }),
        .. new[] { 176, 272 }.SelectMany(table => new Field[] { new(table + 8, 4), new(table + 32, 8), new(table + 40, 4), new(table + 64, 8), new(table + 72, 4) }),
        new(376, 4), new(380, 4), new(384, 8), new(392, 4), new(416, 8), new(424, 8), new(448, 8),
    ];

    public static byte[] FromSample(byte[] sample) =>
        [.. s_parts.SelectMany(part => sample.AsSpan(part.Offset, part.Bytes).ToArray()), 0];

    public static async Task<SparseDisk> ExpandAsync(byte[] input, Trace trace)
    {
        var disk = new SparseDisk([], FileBytes, trace);
        int at = 0;
        foreach ((int offset, int bytes) in s_parts)
        {
            int count = Math.Clamp(input.Length - at, 0, bytes);
            await disk.WriteAsync(offset, input.AsMemory(at, count), default);
            at += count;
        }

        if (input is not [.., var flags] || (flags & 1) == 0)
        {
            await SealAsync(disk);
        }

        return disk;
    }

    private static async Task SealAsync(SparseDisk disk)
    {
        foreach (int header in s_headers)
        {
            await SealAsync(disk, header, HeaderBytes);
        }

        foreach (int table in s_tables)
        {
            await SealAsync(disk, table, TableBytes);
        }

        for (int at = 0; at < LogBytes; at += HeaderBytes)
        {
            byte[] length = new byte[sizeof(uint)];
            await disk.ReadAsync(MiB + at + 8, length, default);
            await SealAsync(disk, MiB + at, (int)Math.Clamp(BinaryPrimitives.ReadUInt32LittleEndian(length), HeaderBytes, MiB - at));
        }
    }

    private static async Task SealAsync(SparseDisk disk, int offset, int bytes)
    {
        byte[] content = new byte[bytes];
        await disk.ReadAsync(offset, content, default);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(4), Crc32C.WithZeroedField(content, 4));
        await disk.WriteAsync(offset + 4, content.AsMemory(4, sizeof(uint)), default);
    }
}
