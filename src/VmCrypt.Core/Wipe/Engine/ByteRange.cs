namespace VmCrypt.Core.Wipe.Engine;

/// <summary>A run of bytes of the target; offset and length in bytes.</summary>
public readonly record struct ByteRange(long Offset, long Length)
{
    public long End => Offset + Length;
}
