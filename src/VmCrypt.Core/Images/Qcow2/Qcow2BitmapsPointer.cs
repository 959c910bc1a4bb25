using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Where the directory of persistent bitmaps lies.</summary>
/// <remarks>Extension 0x23852875, 24 bytes: nb_bitmaps 0 (32 bits), reserved 4, directory size 8, directory offset 16 (64 bits, bytes).</remarks>
internal readonly record struct Qcow2BitmapsPointer(uint Count, uint Reserved, ulong DirectoryBytes, ulong DirectoryOffset)
{
    public const int Size = 24;

    public static Qcow2BitmapsPointer Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        return new Qcow2BitmapsPointer(
            reader.UInt32BigEndian(), reader.UInt32BigEndian(), reader.UInt64BigEndian(), reader.UInt64BigEndian());
    }
}
