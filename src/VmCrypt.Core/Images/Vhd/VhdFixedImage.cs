using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Blocks;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>A fixed VHD file: the disk as it is, and a footer behind it.</summary>
public sealed class VhdFixedImage : FilterDevice, IVirtualDisk, IHostReleased
{
    private VhdFooter _footer;
    private long _length;

    internal VhdFixedImage(IBlockDevice file, VhdLayout layout, bool writable)
        : base(file)
    {
        _footer = layout.Footer;
        _length = (long)layout.Footer.DiskSize;
        Traits = file.Traits with { CanWrite = writable, CanResize = writable && file.Traits.CanResize };
    }

    public VhdFacts Facts => new()
    {
        Kind = Kind,
        BlockSize = null,
        VirtualSize = Length,
        CreatorApplication = _footer.CreatorApplication,
        UniqueId = Identity,
        Parent = null,
        IsInSavedState = _footer.IsInSavedState,
    };

    public VirtualDiskKind Kind => VirtualDiskKind.Fixed;

    public Guid Identity => _footer.UniqueId;

    public VirtualDiskParent? Parent => null;

    public override long Length => Volatile.Read(ref _length);

    public long MaxLength => VhdLimits.MaxDiskSize;

    public override BlockTraits Traits { get; }

    public bool IsParent(Guid identity) => false;

    public void AttachParent(IBlockDevice parent) =>
        throw new InvalidInputException(ErrorIds.ImageLayerUnexpected, "A fixed disk has no parent.");

    public ValueTask<long> CompactAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken) =>
        throw BlockCompactor.RefusesFixed();

    ValueTask<HostMap> IHostMapped.MapHostAsync(CancellationToken cancellationToken)
    {
        HostArea[] areas = [new(0, Length, HostUse.Data, 0), new(Inner.Length - VhdFooter.Size, VhdFooter.Size, HostUse.Metadata)];
        return ValueTask.FromResult(new HostMap(HostAreas.Complete(areas, Inner.Length), []));
    }

    ValueTask<IReadOnlyList<string>> IHostReleased.FindDefectsAsync(CancellationToken cancellationToken) => new([]);

    ValueTask IHostReleased.ReleaseAsync(CancellationToken cancellationToken) => FlushAsync(cancellationToken);

    // It ends where its footer does.
    ValueTask IHostReleased.CutAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        return base.ReadAsync(offset, buffer, cancellationToken);
    }

    public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        return base.WriteAsync(offset, buffer, cancellationToken);
    }

    public override ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return base.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public override ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return base.TrimAsync(offset, count, cancellationToken);
    }

    public override IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        return base.ExtentsAsync(offset, count, cancellationToken);
    }

    /// <summary>Grows or shrinks the disk; the size is a multiple of 512, at most 2040 GiB.</summary>
    /// <remarks>
    /// Growing, and what a crash after each step leaves: the file is longer, which has no footer at its end then; the footer stands at
    /// the new end, the disk has its new size; the place of the old footer is zero. Shrinking: the footer stands behind the new
    /// end, the old one still counts; the file ends behind it. The format has no room for more: a fixed disk whose growth was cut short
    /// in the first step is opened as raw, less the old footer, unless <see cref="UndoGrowthAsync"/> comes first.
    /// </remarks>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdSizeInvalid"/>.</exception>
    public override async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        VhdResizer.CheckSize(length);
        long old = Length;
        long oldEnd = Inner.Length;
        if (length == old)
        {
            return;
        }

        VhdFooter footer = _footer.Resized(length);
        if (length > old)
        {
            await base.SetLengthAsync(length + VhdFooter.Size, cancellationToken);
        }

        await base.WriteAsync(length, footer.Encode(), cancellationToken);
        await base.FlushAsync(cancellationToken);
        _footer = footer;
        if (length > old)
        {
            // A growth by less than a footer overlaps the old one, and one that goes by its geometry stands further on.
            await base.ZeroAsync(old, Math.Min(oldEnd, length) - old, ZeroFlags.None, cancellationToken);
        }
        else
        {
            await base.SetLengthAsync(length + VhdFooter.Size, cancellationToken);
        }

        await base.FlushAsync(cancellationToken);
        Volatile.Write(ref _length, length);
    }

    /// <summary>Cuts a file that a crash has left without footer in the first step of growing back to the disk that it was; else does nothing.</summary>
    /// <param name="file">Nobody else uses it.</param>
    /// <param name="length">Bytes of the disk before.</param>
    /// <param name="cancellationToken">Cancels before the change.</param>
    internal static async ValueTask UndoGrowthAsync(IBlockDevice file, long length, CancellationToken cancellationToken)
    {
        if (await VhdFooter.ReadAsync(file, file.Length - VhdFooter.Size, cancellationToken) is not null)
        {
            return;
        }

        // Of a disk that goes by its geometry, the footer stands up to a cylinder behind its end.
        long last = Math.Min(length + VhdGeometry.LargestCylinder, file.Length - VhdFooter.Size);
        for (long at = length; at <= last; at += VhdLimits.Sector)
        {
            if (await VhdFooter.ReadAsync(file, at, cancellationToken) is { } footer && (long)footer.DiskSize == length)
            {
                await file.SetLengthAsync(at + VhdFooter.Size, cancellationToken);
                await file.FlushAsync(cancellationToken);
                return;
            }
        }
    }
}
