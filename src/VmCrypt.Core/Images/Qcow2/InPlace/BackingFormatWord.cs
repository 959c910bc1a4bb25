using System.Buffers.Binary;
using System.Text;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>Names the format of the backing file anew in the first sector, which the medium writes whole or not at all.</summary>
internal static class BackingFormatWord
{
    private const int PrefixBytes = 8;

    /// <param name="sector">The first of a valid image.</param>
    /// <param name="word">The format to name.</param>
    /// <returns>The sector with that word; null where the image names no format there, or has no room for the word.</returns>
    public static byte[]? Replace(ReadOnlySpan<byte> sector, string word)
    {
        int padded = Padded(word.Length);
        for (int at = (int)Qcow2Header.Parse(sector).HeaderBytes; at + PrefixBytes + padded <= sector.Length;)
        {
            uint type = BinaryPrimitives.ReadUInt32BigEndian(sector[at..]);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(sector[(at + sizeof(uint))..]);
            if (type == Qcow2HeaderExtensions.End || length > sector.Length)
            {
                return null;
            }

            if (type == Qcow2HeaderExtensions.BackingFormatType)
            {
                return Padded((int)length) == padded ? With(sector, at, padded, word) : null;
            }

            at += PrefixBytes + Padded((int)length);
        }

        return null;
    }

    private static byte[] With(ReadOnlySpan<byte> sector, int at, int padded, string word)
    {
        byte[] changed = sector.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(changed.AsSpan(at + sizeof(uint)), word.Length);
        Span<byte> field = changed.AsSpan(at + PrefixBytes, padded);
        field.Clear();
        Encoding.ASCII.GetBytes(word, field);
        return changed;
    }

    private static int Padded(int length) => (length + 7) & ~7;
}
