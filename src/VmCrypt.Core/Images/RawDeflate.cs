using System.IO.Compression;

namespace VmCrypt.Core.Images;

/// <summary>Deflate without the zlib wrapper, as qcow images have it.</summary>
internal static class RawDeflate
{
    /// <summary>Fills <paramref name="target"/> from a stream that may be followed by other bytes; false if it does not give as much.</summary>
    public static bool TryUnpack(byte[] packed, int length, byte[] target)
    {
        using var source = new MemoryStream(packed, 0, length, writable: false);
        using var inflate = new DeflateStream(source, CompressionMode.Decompress);
        try
        {
            return inflate.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) == target.Length;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }
}
