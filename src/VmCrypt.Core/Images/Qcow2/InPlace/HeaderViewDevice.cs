using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>A file as it would be with another header cluster. What is written there stays in memory; everything else goes through.</summary>
/// <remarks>Does not own the file.</remarks>
internal sealed class HeaderViewDevice(IBlockDevice file, byte[] header) : FilterDevice(SubDevice.Tail(file, 0, ownsInner: false))
{
    /// <summary>The header cluster.</summary>
    public byte[] Header => header;

    public override async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await base.ReadAsync(offset, buffer, cancellationToken);
        if (offset < header.Length)
        {
            int count = (int)Math.Min(buffer.Length, header.Length - offset);
            header.AsSpan((int)offset, count).CopyTo(buffer.Span);
        }
    }

    public override async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        int inside = (int)Math.Clamp(header.Length - offset, 0, buffer.Length);
        buffer.Span[..inside].CopyTo(header.AsSpan((int)Math.Min(offset, header.Length)));
        if (inside < buffer.Length)
        {
            await base.WriteAsync(offset + inside, buffer[inside..], cancellationToken);
        }
    }
}
