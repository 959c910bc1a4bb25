using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;
using static VmCrypt.Core.Block.Local.Libc;

namespace VmCrypt.Core.Block.Local;

/// <summary>A block device of the host: a disk, partition, logical volume or loop device. Linux only.</summary>
/// <remarks>
/// Goes through the page cache as files do, so any offset will do. For writing it is opened only if the kernel grants it
/// exclusively: then it is neither mounted, nor swap, nor part of another device, and stays so while it is open.
/// </remarks>
[SupportedOSPlatform("linux")]
public sealed class HostDevice : IBlockDevice, ILocalDevice
{
    // The kernel cannot be interrupted within one request.
    private const long MaxRequest = 256L << 20;

    private readonly FileIO _io;
    private readonly bool _zeroesInHardware;

    private HostDevice(FileIO io, bool writable)
    {
        _io = io;
        Length = Control(io.Handle, BlockRequest.Size, out long length) == 0 ? length : throw IOFaults.Last("Measuring", io.Path);
        LogicalBlock = Ask(io, BlockRequest.LogicalBlock);
        PhysicalBlock = Ask(io, BlockRequest.PhysicalBlock);
        var node = BlockNode.Of(io.Handle);
        _zeroesInHardware = node.QueueLimit("write_zeroes_max_bytes") > 0;
        Traits = new BlockTraits
        {
            CanWrite = writable,
            CanZeroFast = _zeroesInHardware,
            CanTrim = node.QueueLimit("discard_max_bytes") > 0,
            PreferredBlock = Math.Max(PhysicalBlock, 4096),
        };
    }

    public string Path => _io.Path;

    public long Length { get; }

    /// <summary>Bytes of the smallest unit that the device transfers.</summary>
    public int LogicalBlock { get; }

    /// <summary>Bytes of the smallest unit that the device writes without reading it first.</summary>
    public int PhysicalBlock { get; }

    public BlockTraits Traits { get; }

    SafeFileHandle ILocalDevice.Handle => _io.Handle;

    /// <summary>Opens a block device.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.DeviceInUse"/>: the host uses it, and the sentence says for what;
    /// <see cref="ErrorIds.ImageInUse"/>: another process has locked it as QEMU does.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceReadOnly"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotADisk"/>.</exception>
    public static ValueTask<HostDevice> OpenAsync(string path, LocalDiskOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var io = new FileIO(FilePlatform.Current.Open(path, PathKind.BlockDevice, options), path);
        try
        {
            if (options.Writable && Ask(io, BlockRequest.IsReadOnly) != 0)
            {
                throw new DeviceFaultException(ErrorIds.DeviceReadOnly, $"The device '{path}' is set read-only.");
            }

            return new(new HostDevice(io, options.Writable));
        }
        catch
        {
            io.Dispose();
            throw;
        }
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.Range(this, offset, buffer.Length);
        _io.Read(offset, buffer.Span);
        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, buffer.Length);
        _io.Write(offset, buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <summary>Lets the device zero itself, or the kernel write the zeros; bytes that fill no block are written from here.</summary>
    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, count);
        (long start, long end) = WholeBlocks(offset, count);
        for (long at = start; at < end; at += MaxRequest)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ZeroBlocks(at, Math.Min(MaxRequest, end - at), flags, cancellationToken);
        }

        _io.WriteZeros(offset, start - offset, cancellationToken);
        _io.WriteZeros(end, offset + count - end, cancellationToken);
        return ValueTask.CompletedTask;
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        (long start, long end) = WholeBlocks(offset, count);
        for (long at = start; at < end && Traits.CanTrim; at += MaxRequest)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var range = new ByteRange { Offset = at, Count = Math.Min(MaxRequest, end - at) };
            if (Control(_io.Handle, BlockRequest.Discard, ref range) < 0)
            {
                throw IOFaults.Last("Trimming", Path);
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Traits.CanWrite)
        {
            _io.Flush();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>All of it is data: disks do not tell what they have stored.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await ValueTask.CompletedTask;
        if (count > 0)
        {
            yield return new Extent(offset, count, ExtentKind.Data);
        }
    }

    /// <summary>Refused: a disk has the size that it has.</summary>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return ValueTask.CompletedTask;
    }

    int? ILocalDevice.TryBypassCache() => _io.TryBypassCache();

    void ILocalDevice.DropCache() => _io.DropCache();

    public ValueTask DisposeAsync()
    {
        _io.Dispose();
        return ValueTask.CompletedTask;
    }

    private void ZeroBlocks(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        // A hole is only ever made by the device itself; blocks that stay allocated the kernel may have to write.
        if (!flags.HasFlag(ZeroFlags.KeepAllocated) && FilePlatform.Current.TryZero(_io.Handle, Path, offset, count, keepAllocated: false))
        {
            return;
        }

        if (!_zeroesInHardware)
        {
            BlockGuard.NotOnlyIfFast(flags);
        }

        if (!FilePlatform.Current.TryZero(_io.Handle, Path, offset, count, keepAllocated: true))
        {
            _io.WriteZeros(offset, count, cancellationToken);
        }
    }

    /// <summary>The whole logical blocks of a range; an empty range at its start if it has none.</summary>
    private (long Start, long End) WholeBlocks(long offset, long count)
    {
        long start = (offset + LogicalBlock - 1) & -LogicalBlock;
        long end = (offset + count) & -LogicalBlock;
        return start < end ? (start, end) : (offset, offset);
    }

    private static int Ask(FileIO io, BlockRequest request) =>
        Control(io.Handle, request, out int value) == 0 ? value : throw IOFaults.Last("Asking the geometry of", io.Path);
}
