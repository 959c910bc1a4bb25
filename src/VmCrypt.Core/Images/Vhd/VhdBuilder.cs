using System.Numerics;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>Makes new, empty VHD files.</summary>
/// <remarks>A fixed one is the disk and a footer. Others, from the front: copy of the footer, header, the parent's names, table, footer.</remarks>
public static class VhdBuilder
{
    private const int HeaderOffset = VhdFooter.Size;
    private const int MinBlockSize = 512 * 1024;
    private const int TableAlignment = 4096;

    private static readonly DateTimeOffset s_epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Replaces the content of <paramref name="file"/> (which stays the caller's) by an empty disk.</summary>
    /// <remarks>The footers are written last: a file whose creation was cut short is no image.</remarks>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdOptionsInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.BlockStorageFixed"/>.</exception>
    public static async ValueTask CreateAsync(IBlockDevice file, VhdCreateOptions options, CancellationToken cancellationToken)
    {
        Check(options);
        if (!file.Traits.CanResize)
        {
            throw new UnsupportedFeatureException(ErrorIds.BlockStorageFixed, "A VHD image is a file whose end matters; it cannot be made on storage of a fixed size.");
        }

        await file.SetLengthAsync(0, cancellationToken);
        VhdFooter footer = FooterOf(options);
        if (options.Preallocation != Preallocation.Off)
        {
            await file.SetLengthAsync(options.Size + VhdFooter.Size, cancellationToken);
            await StorageReserve.FillAsync(file, 0, options.Size, options.Preallocation, cancellationToken);
        }
        else
        {
            await CreateTablesAsync(file, options, cancellationToken);
            await file.WriteAsync(0, footer.Encode(), cancellationToken);
        }

        await file.WriteAsync(file.Length - VhdFooter.Size, footer.Encode(), cancellationToken);
        await file.FlushAsync(cancellationToken);
    }

    private static async ValueTask CreateTablesAsync(IBlockDevice file, VhdCreateOptions options, CancellationToken cancellationToken)
    {
        (List<VhdLocator> locators, byte[] names) = LocatorsOf(options.Parent, HeaderOffset + VhdHeader.Size);
        long entries = (options.Size + options.BlockSize - 1) / options.BlockSize;
        long tableOffset = Align(HeaderOffset + VhdHeader.Size + names.Length, options.Parent is null ? VhdLimits.Sector : TableAlignment);
        byte[] table = new byte[Align(entries * sizeof(uint), VhdLimits.Sector)];
        table.AsSpan().Fill(byte.MaxValue);
        var header = new VhdHeader
        {
            TableOffset = (ulong)tableOffset,
            TableEntries = (uint)entries,
            BlockSize = (uint)options.BlockSize,
            ParentId = options.Parent?.Id ?? Guid.Empty,
            ParentName = NameOf(options.Parent),
            ParentLocators = locators,
        };
        await file.SetLengthAsync(tableOffset + table.Length + VhdFooter.Size, cancellationToken);
        await file.WriteAsync(HeaderOffset, header.Encode(), cancellationToken);
        await file.WriteAsync(HeaderOffset + VhdHeader.Size, names, cancellationToken);
        await file.WriteAsync(tableOffset, table, cancellationToken);
        await file.FlushAsync(cancellationToken);
    }

    private static VhdFooter FooterOf(VhdCreateOptions options)
    {
        VirtualDiskKind kind = options.Parent is not null ? VirtualDiskKind.Differencing
            : options.Preallocation == Preallocation.Off ? VirtualDiskKind.Dynamic : VirtualDiskKind.Fixed;
        return new VhdFooter
        {
            DataOffset = kind == VirtualDiskKind.Fixed ? VhdLimits.NoOffset : HeaderOffset,
            TimeStamp = (uint)(DateTimeOffset.UtcNow - s_epoch).TotalSeconds,
            OriginalSize = (ulong)options.Size,
            CurrentSize = (ulong)options.Size,
            Geometry = VhdGeometry.For(options.Size),
            DiskType = VhdLayout.TypeOf(kind),
            UniqueId = Guid.NewGuid(),
        };
    }

    /// <summary>The parent's paths, each in sectors of its own from <paramref name="offset"/> on.</summary>
    private static (List<VhdLocator> Locators, byte[] Names) LocatorsOf(VirtualDiskParent? parent, long offset)
    {
        var locators = new List<VhdLocator>();
        byte[] names = [];
        foreach ((uint code, string? path) in new[] { (VhdHeader.RelativePath, parent?.RelativePath), (VhdHeader.AbsolutePath, parent?.AbsolutePath) })
        {
            if (!string.IsNullOrEmpty(path))
            {
                byte[] text = Encoding.Unicode.GetBytes(path);
                int space = (int)Align(text.Length, VhdLimits.Sector);
                locators.Add(new VhdLocator(code, (uint)space, (uint)text.Length, (ulong)(offset + names.Length)));
                Array.Resize(ref names, names.Length + space);
                text.CopyTo(names, names.Length - space);
            }
        }

        return (locators, names);
    }

    private static string NameOf(VirtualDiskParent? parent)
    {
        string path = parent?.RelativePath ?? parent?.AbsolutePath ?? string.Empty;
        return path[(path.LastIndexOf('\\') + 1)..];
    }

    private static void Check(VhdCreateOptions options)
    {
        Require(options.Size is > 0 and <= VhdLimits.MaxDiskSize && options.Size % VhdLimits.Sector == 0,
            $"The size is {options.Size} bytes; it must be a multiple of {VhdLimits.Sector}, at most {VhdLimits.MaxDiskSize} (2040 GiB).");
        Require(options.BlockSize is >= MinBlockSize and <= VhdLimits.MaxBlockSize && BitOperations.IsPow2(options.BlockSize),
            $"The block size is {options.BlockSize} bytes; it must be a power of two from {MinBlockSize} to {VhdLimits.MaxBlockSize}.");
        Require(options.Parent is null || options.Preallocation == Preallocation.Off, "A differencing disk cannot be preallocated: it would hide its parent.");
        Require(options.Parent is null || !string.IsNullOrEmpty(options.Parent.RelativePath) || !string.IsNullOrEmpty(options.Parent.AbsolutePath),
            "A differencing disk needs a path to its parent.");
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidInputException(ErrorIds.VhdOptionsInvalid, message);
        }
    }

    private static long Align(long value, int alignment) => (value + alignment - 1) & -(long)alignment;
}
