namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Neighbouring header fields that change together: one small write inside of the first sector, which a power cut does not tear.</summary>
internal sealed class Qcow2HeaderFields
{
    private readonly int _start;
    private readonly int _end;

    private Qcow2HeaderFields(int start, int end) => (_start, _end) = (start, end);

    /// <summary>size, crypt_method, l1_size, l1_table_offset.</summary>
    public static Qcow2HeaderFields SizeAndL1 { get; } = new(24, 48);

    /// <summary>refcount_table_offset, refcount_table_clusters.</summary>
    public static Qcow2HeaderFields RefcountTable { get; } = new(48, 60);

    /// <summary>The three bit fields of version 3.</summary>
    public static Qcow2HeaderFields Features { get; } = new(72, 96);

    /// <summary>The write that takes the fields from one header to the other; none if they are equal.</summary>
    public IEnumerable<MetadataWrite> Changes(Qcow2Header from, Qcow2Header to)
    {
        byte[] old = Encode(from);
        byte[] changed = Encode(to);
        return old.AsSpan().SequenceEqual(changed) ? [] : [new MetadataWrite(_start, changed)];
    }

    private byte[] Encode(in Qcow2Header header)
    {
        byte[] bytes = new byte[Qcow2Header.SizeFull];
        header.WriteTo(bytes);
        return bytes[_start.._end];
    }
}
