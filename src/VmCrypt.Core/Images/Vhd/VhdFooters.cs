using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>The footer at the end of the file and, save for fixed disks, its copy at the start.</summary>
internal sealed class VhdFooters(IBlockDevice file, VhdFooter footer)
{
    public VhdFooter Current { get; private set; } = footer;

    public ValueTask WriteEndAsync(CancellationToken cancellationToken) => WriteAtAsync(file.Length - VhdFooter.Size, cancellationToken);

    public ValueTask WriteAtAsync(long offset, CancellationToken cancellationToken) => file.WriteAsync(offset, Current.Encode(), cancellationToken);

    /// <summary>Changes the size that both footers of a dynamic disk name.</summary>
    /// <remarks>Crash: one of the sizes, and the table has room for both.</remarks>
    public async ValueTask ResizeAsync(long diskSize, CancellationToken cancellationToken)
    {
        Current = Current.Resized(diskSize);
        await file.FlushAsync(cancellationToken);
        await file.WriteAsync(0, Current.Encode(), cancellationToken);
        await file.FlushAsync(cancellationToken);
        await WriteEndAsync(cancellationToken);
        await file.FlushAsync(cancellationToken);
    }
}
