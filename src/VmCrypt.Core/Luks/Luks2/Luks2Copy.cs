using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>One of the two copies of a header: sound by itself, whatever the other is.</summary>
internal sealed record Luks2Copy(Luks2BinaryHeader Binary, Luks2Metadata Metadata)
{
    /// <summary>Reads and checks the copy at <paramref name="offset"/>: binary part, checksum, metadata, in this order.</summary>
    /// <exception cref="InvalidImageException">What is wrong with it.</exception>
    /// <exception cref="UnsupportedFeatureException">Its version or checksum is not known.</exception>
    public static async ValueTask<Luks2Copy> ReadAsync(IBlockDevice area, long offset, CancellationToken cancellationToken)
    {
        (Luks2BinaryHeader binary, byte[] bytes) = await ReadSealedAsync(area, offset, cancellationToken);
        return new Luks2Copy(binary, ParseMetadata(binary, bytes));
    }

    /// <summary>Reads the binary part and both parts' bytes, whose checksum is right.</summary>
    public static async ValueTask<(Luks2BinaryHeader Binary, byte[] Bytes)> ReadSealedAsync(
        IBlockDevice area, long offset, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Clamp(area.Length - offset, 0, Luks2Layout.BinarySize)];
        await area.ReadAsync(Math.Min(offset, area.Length), start, cancellationToken);
        Luks2BinaryHeader binary = Luks2BinaryHeader.Parse(start, offset);
        if (binary.HeaderSize > area.Length - offset)
        {
            throw new InvalidImageException(ErrorIds.LuksHeaderTruncated,
                $"The device ends after {area.Length} bytes, inside the copy of the LUKS2 header at offset {offset}.");
        }

        byte[] bytes = new byte[binary.HeaderSize];
        start.CopyTo(bytes, 0);
        await area.ReadAsync(offset + start.Length, bytes.AsMemory(start.Length), cancellationToken);
        binary.RequireChecksum(bytes);
        return (binary, bytes);
    }

    public static Luks2Metadata ParseMetadata(Luks2BinaryHeader binary, ReadOnlySpan<byte> bytes)
    {
        Luks2Metadata metadata = Luks2Metadata.Parse(Luks2Json.Read(bytes[Luks2Layout.BinarySize..]));
        Luks2Validator.Validate(metadata, binary.HeaderSize);
        return metadata;
    }

    /// <summary>The bytes of both parts, sealed.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    public byte[] ToBytes()
    {
        byte[] json = Luks2Json.ToBytes(Metadata.Tree);
        if (json.Length >= Binary.JsonSize)
        {
            throw new RefusedException(ErrorIds.LuksMetadataFull,
                $"The LUKS2 metadata would take {json.Length} bytes, but its area has {Binary.JsonSize} and must end with a NUL; remove a key slot or token first.");
        }

        byte[] bytes = new byte[Binary.HeaderSize];
        Binary.WriteTo(bytes.AsSpan(0, Luks2Layout.BinarySize));
        json.CopyTo(bytes.AsSpan(Luks2Layout.BinarySize));
        Binary.Seal(bytes);
        return bytes;
    }
}
