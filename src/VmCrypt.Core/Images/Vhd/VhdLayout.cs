using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>A file whose footers and header have been read and fit together.</summary>
internal sealed record VhdLayout(VhdFooter Footer, VirtualDiskKind Kind, VhdHeader? Header, VirtualDiskParent? Parent)
{
    private const uint Fixed = 2;
    private const uint Dynamic = 3;
    private const uint Differencing = 4;

    /// <summary>Bytes of a block's bitmap, in whole sectors.</summary>
    public static int BitmapBytes(int blockSize) => Math.Max(VhdLimits.Sector, blockSize / VhdLimits.Sector / 8);

    public static uint TypeOf(VirtualDiskKind kind) => kind switch
    {
        VirtualDiskKind.Fixed => Fixed,
        VirtualDiskKind.Dynamic => Dynamic,
        _ => Differencing,
    };

    /// <exception cref="InvalidImageException">One id per rule.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdVersionUnsupported"/>, <see cref="ErrorIds.VhdTypeUnsupported"/>.</exception>
    public static async ValueTask<VhdLayout> ReadAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        VhdFooter footer = await ReadFooterAsync(file, cancellationToken);
        VirtualDiskKind kind = footer.DiskType switch
        {
            Fixed => VirtualDiskKind.Fixed,
            Dynamic => VirtualDiskKind.Dynamic,
            Differencing => VirtualDiskKind.Differencing,
            _ => throw new UnsupportedFeatureException(ErrorIds.VhdTypeUnsupported,
                $"The VHD file has the disk type {footer.DiskType}; fixed (2), dynamic (3) and differencing (4) are supported."),
        };
        RequireVersion("footer", footer.Version, VhdFooter.KnownVersion);
        RequireSize(footer, kind == VirtualDiskKind.Fixed ? file.Length - VhdFooter.Size : VhdLimits.MaxDiskSize);
        VhdHeader? header = kind == VirtualDiskKind.Fixed ? null : await ReadHeaderAsync(file, footer, cancellationToken);
        VirtualDiskParent? parent = kind == VirtualDiskKind.Differencing ? await ReadParentAsync(file, header!, cancellationToken) : null;
        return new VhdLayout(footer, kind, header, parent);
    }

    /// <summary>The footer at the end, or its copy at the start.</summary>
    /// <remarks>
    /// A guest can write a footer to the start of a fixed disk, and to the end of the last block of a dynamic one that lost its own:
    /// two good footers must therefore be of one disk.
    /// </remarks>
    private static async ValueTask<VhdFooter> ReadFooterAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        if (file.Length < VhdFooter.Size)
        {
            throw Invalid(ErrorIds.VhdFooterInvalid, $"The file has {file.Length} bytes; a VHD footer alone has {VhdFooter.Size}.");
        }

        VhdFooter? front = await VhdFooter.ReadAsync(file, 0, cancellationToken);
        VhdFooter? end = await VhdFooter.ReadAsync(file, file.Length - VhdFooter.Size, cancellationToken);
        if (front is not null && end is not null && (front.UniqueId != end.UniqueId || front.DiskType != end.DiskType))
        {
            throw Invalid(ErrorIds.VhdFooterInvalid, $"The footers at the start and at the end are of two disks, {front.UniqueId} and {end.UniqueId}.");
        }

        VhdFooter? footer = end ?? front;
        return footer is not null && (end is not null || front!.DiskType != Fixed)
            ? footer
            : throw Invalid(ErrorIds.VhdFooterInvalid, "Neither the end of the file nor its start has a VHD footer with a good checksum.");
    }

    private static async ValueTask<VhdHeader> ReadHeaderAsync(IBlockDevice file, VhdFooter footer, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[VhdHeader.Size];
        if (footer.DataOffset % VhdLimits.Sector != 0 || footer.DataOffset < VhdFooter.Size || !Lies(file, footer.DataOffset, bytes.Length))
        {
            throw Invalid(ErrorIds.VhdHeaderInvalid, $"The header should be at offset {footer.DataOffset} of a file of {file.Length} bytes.");
        }

        await file.ReadAsync((long)footer.DataOffset, bytes, cancellationToken);
        VhdHeader header = VhdHeader.TryParse(bytes)
            ?? throw Invalid(ErrorIds.VhdHeaderInvalid, "The header of the dynamic disk has no 'cxsparse' or no good checksum.");
        RequireVersion("header", header.Version, VhdHeader.KnownVersion);
        if (header.BlockSize is < VhdLimits.MinBlockSize or > VhdLimits.MaxBlockSize || (header.BlockSize & (header.BlockSize - 1)) != 0)
        {
            throw Invalid(ErrorIds.VhdBlockSizeInvalid,
                $"The block size is {header.BlockSize} bytes; it must be a power of two from {VhdLimits.MinBlockSize} to {VhdLimits.MaxBlockSize}.");
        }

        bool enough = header.TableEntries <= VhdLimits.MaxTableEntries && (ulong)header.TableEntries * header.BlockSize >= footer.DiskSize;
        bool placed = header.TableOffset % VhdLimits.Sector == 0 && header.TableOffset >= VhdFooter.Size
            && Lies(file, header.TableOffset, (long)header.TableEntries * sizeof(uint));
        return enough && placed ? header : throw Invalid(ErrorIds.VhdTableInvalid,
            $"The table has {header.TableEntries} entries at offset {header.TableOffset}; that does not fit a disk of {footer.DiskSize} bytes, or the file.");
    }

    private static async ValueTask<VirtualDiskParent> ReadParentAsync(IBlockDevice file, VhdHeader header, CancellationToken cancellationToken)
    {
        string? relative = await ReadLocatorAsync(file, header, VhdHeader.RelativePath, cancellationToken);
        string? absolute = await ReadLocatorAsync(file, header, VhdHeader.AbsolutePath, cancellationToken);
        if (relative is null && absolute is null && header.ParentName.Length == 0)
        {
            throw Invalid(ErrorIds.VhdParentLocatorInvalid, "The differencing disk does not name its parent.");
        }

        // Makers without Windows paths leave the name alone.
        return new VirtualDiskParent(header.ParentId, relative ?? (absolute is null ? header.ParentName : null), absolute);
    }

    private static async ValueTask<string?> ReadLocatorAsync(IBlockDevice file, VhdHeader header, uint code, CancellationToken cancellationToken)
    {
        VhdLocator locator = header.ParentLocators.FirstOrDefault(candidate => candidate.Code == code);
        if (locator.Code == 0)
        {
            return null;
        }

        if (locator.Length is 0 or > VhdLimits.MaxLocatorBytes || locator.Length % sizeof(char) != 0 || !Lies(file, locator.Offset, locator.Length))
        {
            throw Invalid(ErrorIds.VhdParentLocatorInvalid,
                $"A parent locator has {locator.Length} bytes at offset {locator.Offset}; it must lie in the file and have at most {VhdLimits.MaxLocatorBytes}.");
        }

        byte[] bytes = new byte[locator.Length];
        await file.ReadAsync((long)locator.Offset, bytes, cancellationToken);
        return Encoding.Unicode.GetString(bytes).TrimEnd('\0');
    }

    private static void RequireSize(VhdFooter footer, long most)
    {
        if (footer.DiskSize > (ulong)Math.Min(most, VhdLimits.MaxDiskSize) || footer.DiskSize % VhdLimits.Sector != 0)
        {
            throw Invalid(ErrorIds.VhdSizeInvalid,
                $"The disk has {footer.DiskSize} bytes; it must have a multiple of {VhdLimits.Sector}, at most {Math.Min(most, VhdLimits.MaxDiskSize)}.");
        }
    }

    private static void RequireVersion(string what, uint found, uint known)
    {
        if (found >> 16 != known >> 16)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdVersionUnsupported, $"The {what} has the version 0x{found:x8}; 0x{known:x8} is supported.");
        }
    }

    private static bool Lies(IBlockDevice file, ulong offset, long count) => count <= file.Length && offset <= (ulong)(file.Length - count);

    private static InvalidImageException Invalid(string id, string message) => new(id, message);
}
