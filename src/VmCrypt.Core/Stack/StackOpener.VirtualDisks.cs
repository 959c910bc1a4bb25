using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;

namespace VmCrypt.Core.Stack;

/// <summary>VHDX and VHD, and the chain of their parents.</summary>
internal sealed partial class StackOpener
{
    /// <param name="isParent">Its content is part of a child's: what it looks like alone does not matter.</param>
    private async ValueTask<StackImage> OpenVirtualDiskAsync(
        IBlockDevice storage, DiskLocation location, ImageFormat format, IBlockDevice? detachedHeader, bool isParent, CancellationToken cancellationToken)
    {
        IVirtualDisk disk = await VirtualDiskOpener.OpenAsync(storage, format, cancellationToken);
        var image = new StackImage
        {
            Location = location,
            Storage = storage,
            Format = format,
            VirtualDisk = disk,
            OpenPayload = PayloadOpener(location),
        };
        try
        {
            image.Backing = await OpenParentAsync(disk, location, format, cancellationToken);
            await DetachAsync(image, detachedHeader, cancellationToken);
            await (isParent ? ValueTask.CompletedTask : RecogniseOverAsync(image, cancellationToken));
            return image;
        }
        catch
        {
            await image.DisposeAsync();
            throw;
        }
    }

    private async ValueTask<StackImage?> OpenParentAsync(
        IVirtualDisk child, DiskLocation owner, ImageFormat format, CancellationToken cancellationToken)
    {
        if (child.Parent is null || options.HeadersOnly)
        {
            return null;
        }

        DiskLocation location = ParentOf(child.Parent, owner);
        IBlockDevice storage = await OpenStorageAsync(location, writable: false, cancellationToken);
        try
        {
            Enter(location);
            RequireNoHeaderBeside(location);
            StackImage parent = await OpenVirtualDiskAsync(storage, location, format, detachedHeader: null, isParent: true, cancellationToken);
            if (child.IsParent(parent.VirtualDisk!.Identity))
            {
                return parent;
            }

            await parent.DisposeAsync();
            throw new InvalidImageException(ErrorIds.ParentMismatch,
                $"The disk {owner} belongs over the disk {child.Parent.Id}, but {location} is {parent.VirtualDisk.Identity}: another one, or changed since.");
        }
        catch
        {
            await storage.DisposeAsync();
            throw;
        }
    }

    // The document wants the relative path first; a path of Windows leads nowhere else.
    private DiskLocation ParentOf(VirtualDiskParent parent, DiskLocation owner)
    {
        List<string> paths = [];
        if (parent.RelativePath is { } relative)
        {
            paths.Add(relative.Replace('\\', Path.DirectorySeparatorChar));
        }

        if (parent.AbsolutePath is { } absolute && OperatingSystem.IsWindows())
        {
            paths.Add(absolute.StartsWith(@"\\?\", StringComparison.Ordinal) ? absolute[4..] : absolute);
        }

        for (int i = 0; i < paths.Count; i++)
        {
            try
            {
                return DiskLocation.Parse(options.References.Resolve(paths[i], owner));
            }
            catch (MissingException) when (i < paths.Count - 1)
            {
                // The file may have moved; the next path may still be true.
            }
        }

        throw new UnsupportedFeatureException(ErrorIds.ReferenceUnsupported,
            $"The disk {owner} names its parent by '{parent.AbsolutePath}' only, which this system does not know.");
    }
}
