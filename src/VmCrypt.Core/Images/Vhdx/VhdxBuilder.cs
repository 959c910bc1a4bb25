using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Makes new, empty VHDX files.</summary>
/// <remarks>From the front: headers and region tables (1 MiB), log, metadata (1 MiB), block allocation table, the blocks of a fixed disk.</remarks>
public static class VhdxBuilder
{
    private const string Creator = "VmCrypt";
    private const int MetadataBytes = 1024 * 1024;
    private const int EntriesPerWrite = 64 * 1024;

    /// <summary>Replaces the content of <paramref name="file"/> (which stays the caller's) by an empty disk.</summary>
    /// <remarks>The file identifier is written last: a file whose creation was cut short is no image.</remarks>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.VhdxOptionsInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.BlockStorageFixed"/>.</exception>
    public static async ValueTask CreateAsync(IBlockDevice file, VhdxCreateOptions options, CancellationToken cancellationToken)
    {
        Check(options);
        if (!file.Traits.CanResize)
        {
            throw new UnsupportedFeatureException(ErrorIds.BlockStorageFixed, "A VHDX image is a file that grows; it cannot be made on storage of a fixed size.");
        }

        var geometry = new VhdxGeometry(options.BlockSize, options.LogicalSectorSize, options.Parent is not null);
        long batBytes = Math.Max(VhdxLimits.Alignment, Align(geometry.BatEntries(options.Size) * sizeof(ulong)));
        var metadata = new VhdxRegion(VhdxRegionTable.Metadata, VhdxLimits.Alignment + options.LogBytes, MetadataBytes, IsRequired: true);
        var bat = new VhdxRegion(VhdxRegionTable.Bat, metadata.End, batBytes, IsRequired: true);
        await file.SetLengthAsync(0, cancellationToken);
        await file.SetLengthAsync(bat.End, cancellationToken);
        if (options.Preallocation != Preallocation.Off)
        {
            await PreallocateAsync(file, options, geometry, bat, cancellationToken);
        }

        await file.WriteAsync(metadata.Offset, MetadataOf(options).Encode(), cancellationToken);
        byte[] regions = VhdxRegionTable.Encode([bat, metadata]);
        await file.WriteAsync(VhdxRegionTable.FirstOffset, regions, cancellationToken);
        await file.WriteAsync(VhdxRegionTable.SecondOffset, regions, cancellationToken);
        await VhdxHeaderPair.New(file, HeaderOf(options)).UpdateAsync(header => header, cancellationToken);
        await file.WriteAsync(0, Identifier(), cancellationToken);
        await file.FlushAsync(cancellationToken);
    }

    private static async ValueTask PreallocateAsync(
        IBlockDevice file, VhdxCreateOptions options, VhdxGeometry geometry, VhdxRegion bat, CancellationToken cancellationToken)
    {
        long blocks = (options.Size + options.BlockSize - 1) / options.BlockSize;
        long data = bat.End;
        await file.SetLengthAsync(checked(data + (blocks * options.BlockSize)), cancellationToken);
        await StorageReserve.FillAsync(file, data, blocks * options.BlockSize, options.Preallocation, cancellationToken);
        long entries = geometry.BatEntries(options.Size);
        byte[] table = new byte[EntriesPerWrite * sizeof(ulong)];
        for (long first = 0; first < entries; first += EntriesPerWrite)
        {
            int count = (int)Math.Min(EntriesPerWrite, entries - first);
            Array.Clear(table);
            for (int i = 0; i < count; i++)
            {
                // The entries of sector bitmaps stay empty: without a parent nobody asks them.
                (long chunk, long inChunk) = Math.DivRem(first + i, geometry.ChunkRatio + 1);
                if (inChunk < geometry.ChunkRatio)
                {
                    long block = (chunk * geometry.ChunkRatio) + inChunk;
                    ulong entry = new VhdxBatEntry(VhdxBlockState.FullyPresent, data + (block * options.BlockSize)).Value;
                    BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(i * sizeof(ulong)), entry);
                }
            }

            await file.WriteAsync(bat.Offset + (first * sizeof(ulong)), table.AsMemory(0, count * sizeof(ulong)), cancellationToken);
        }
    }

    private static VhdxMetadata MetadataOf(VhdxCreateOptions options) => new()
    {
        BlockSize = options.BlockSize,
        KeepsBlocks = options.Preallocation != Preallocation.Off,
        DiskSize = options.Size,
        DiskId = Guid.NewGuid(),
        LogicalSectorSize = options.LogicalSectorSize,
        PhysicalSectorSize = options.PhysicalSectorSize,
        Parent = options.Parent is { } parent ? new VhdxParentLocator(parent.Id, parent.RelativePath, parent.AbsolutePath) : null,
    };

    private static VhdxHeader HeaderOf(VhdxCreateOptions options) => new()
    {
        SequenceNumber = 0,
        FileWriteGuid = Guid.NewGuid(),
        DataWriteGuid = Guid.NewGuid(),
        Version = VhdxHeader.KnownVersion,
        LogBytes = (uint)options.LogBytes,
        LogOffset = VhdxLimits.Alignment,
    };

    private static byte[] Identifier()
    {
        byte[] bytes = new byte[VhdxHeader.IdentifierBytes];
        VhdxHeader.FileSignature.CopyTo(bytes);
        Encoding.Unicode.GetBytes(Creator, bytes.AsSpan(VhdxHeader.FileSignature.Length));
        return bytes;
    }

    private static void Check(VhdxCreateOptions options)
    {
        Require(options.LogicalSectorSize is 512 or 4096 && options.PhysicalSectorSize is 512 or 4096,
            $"The sectors have {options.LogicalSectorSize} (logical) and {options.PhysicalSectorSize} bytes; 512 and 4096 are possible.");
        Require(options.Size is > 0 and <= VhdxLimits.MaxDiskSize && options.Size % options.LogicalSectorSize == 0,
            $"The size is {options.Size} bytes; it must be a multiple of {options.LogicalSectorSize}, at most {VhdxLimits.MaxDiskSize}.");
        Require(options.BlockSize is >= VhdxLimits.MinBlockSize and <= VhdxLimits.MaxBlockSize && BitOperations.IsPow2(options.BlockSize),
            $"The block size is {options.BlockSize} bytes; it must be a power of two from {VhdxLimits.MinBlockSize} to {VhdxLimits.MaxBlockSize}.");
        Require(options.LogBytes is >= VhdxLimits.Alignment and <= VhdxLimits.MaxReplayLogBytes && options.LogBytes % VhdxLimits.Alignment == 0,
            $"The log has {options.LogBytes} bytes; it must have a multiple of {VhdxLimits.Alignment}, at most {VhdxLimits.MaxReplayLogBytes}.");
        Require(options.Parent is null || options.Preallocation == Preallocation.Off, "A differencing disk cannot be preallocated: it would hide its parent.");
        Require(options.Parent is null || !string.IsNullOrEmpty(options.Parent.RelativePath) || !string.IsNullOrEmpty(options.Parent.AbsolutePath),
            "A differencing disk needs a path to its parent.");
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidInputException(ErrorIds.VhdxOptionsInvalid, message);
        }
    }

    private static long Align(long value) => (value + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
}
