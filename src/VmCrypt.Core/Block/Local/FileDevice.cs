using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>A regular file. Knows its holes, makes new ones, and can be resized.</summary>
/// <remarks>Reads and writes go through the page cache and complete on the caller's thread; see <see cref="FileIO"/>.</remarks>
public sealed class FileDevice : IBlockDevice, ILocalDevice
{
    private readonly FileIO _io;
    private long _length;

    private FileDevice(FileIO io, bool writable)
    {
        _io = io;
        _length = RandomAccess.GetLength(io.Handle);
        bool sparse = FilePlatform.Current.HasSparseFiles;
        Traits = new BlockTraits { CanWrite = writable, CanResize = writable, CanZeroFast = sparse, CanTrim = sparse };
    }

    public string Path => _io.Path;

    public long Length => _length;

    public BlockTraits Traits { get; }

    SafeFileHandle ILocalDevice.Handle => _io.Handle;

    /// <summary>Opens an existing file.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceReadOnly"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotADisk"/>.</exception>
    public static ValueTask<FileDevice> OpenAsync(string path, LocalDiskOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SafeFileHandle handle = FilePlatform.Current.Open(path, PathKind.File, options);
        return new(new FileDevice(new FileIO(handle, path), options.Writable));
    }

    /// <summary>Creates a file that must not exist yet. Images that appear only when complete are made through <see cref="PendingFile"/>.</summary>
    /// <remarks>Only the owner may read and write it (mode 0600, or less where the umask says so). It is deleted again if preallocation fails.</remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DiskFull"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.PreallocationUnsupported"/>.</exception>
    public static ValueTask<FileDevice> CreateAsync(string path, FileCreateOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var device = new FileDevice(new FileIO(FilePlatform.Current.Create(path), path), writable: true);
        try
        {
            device.SetLength(options.Length);
            device.Preallocate(options, cancellationToken);
            return new(device);
        }
        catch
        {
            device._io.Dispose();
            File.Delete(path);
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

    /// <summary>Punches a hole, or with <see cref="ZeroFlags.KeepAllocated"/> marks the range as unwritten.</summary>
    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, count);
        bool keepAllocated = flags.HasFlag(ZeroFlags.KeepAllocated);
        if (count > 0 && !FilePlatform.Current.TryZero(_io.Handle, Path, offset, count, keepAllocated))
        {
            BlockGuard.NotOnlyIfFast(flags);
            _io.WriteZeros(offset, count, cancellationToken);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, count);
        if (count > 0)
        {
            // A file system without holes keeps the bytes, as a trim may.
            _ = FilePlatform.Current.TryZero(_io.Handle, Path, offset, count, keepAllocated: false);
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

    /// <summary>Data and holes as the file system reports them; storage that is reserved but unwritten may come as a hole.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await ValueTask.CompletedTask;
        for (long at = offset, end = offset + count; at < end;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Extent extent = FilePlatform.Current.ExtentAt(_io.Handle, Path, at, end);
            yield return extent;
            at = extent.End;
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.Resizable(this, length);
        SetLength(length);
        return ValueTask.CompletedTask;
    }

    int? ILocalDevice.TryBypassCache() => _io.TryBypassCache();

    void ILocalDevice.DropCache() => _io.DropCache();

    public ValueTask DisposeAsync()
    {
        _io.Dispose();
        return ValueTask.CompletedTask;
    }

    private void SetLength(long length)
    {
        try
        {
            RandomAccess.SetLength(_io.Handle, length);
            _length = length;
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, $"Resizing to {length} bytes of", Path);
        }
    }

    private void Preallocate(FileCreateOptions options, CancellationToken cancellationToken)
    {
        if (options.Length == 0)
        {
            return;
        }

        if (options.Preallocation == FilePreallocation.Full)
        {
            _io.WriteZeros(0, options.Length, cancellationToken);
        }
        else if (options.Preallocation == FilePreallocation.Falloc && !FilePlatform.Current.TryAllocate(_io.Handle, Path, options.Length))
        {
            throw new UnsupportedFeatureException(ErrorIds.PreallocationUnsupported,
                $"The file system of '{Path}' cannot reserve storage without writing it; preallocate fully or not at all.");
        }
    }
}
