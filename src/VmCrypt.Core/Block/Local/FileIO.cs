using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>Reads, writes and flushes an open file or block device, whole or not at all, with our errors.</summary>
/// <remarks>
/// Everything completes on the caller's thread: what the page cache holds is copied faster than a thread is woken, and the
/// services above bring their own concurrency. Disposing closes the file and with it drops its locks.
/// </remarks>
internal sealed class FileIO(SafeFileHandle handle, string path) : IDisposable
{
    private static readonly byte[] s_zeros = new byte[1 << 20];

    private VmCryptException? _flushFault;

    public SafeFileHandle Handle => handle;

    public string Path => path;

    public void Read(long offset, Span<byte> buffer)
    {
        try
        {
            while (buffer.Length > 0)
            {
                int count = RandomAccess.Read(handle, buffer, offset);
                if (count == 0)
                {
                    throw new DeviceFaultException(ErrorIds.DeviceIO,
                        $"Reading '{path}' failed: it ends at {offset}, {buffer.Length} bytes too early; somebody else has cut it.");
                }

                offset += count;
                buffer = buffer[count..];
            }
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Reading", path);
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        try
        {
            RandomAccess.Write(handle, buffer, offset);
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Writing", path);
        }
    }

    public void WriteZeros(long offset, long count, CancellationToken cancellationToken)
    {
        for (long at = 0; at < count; at += s_zeros.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Write(offset + at, s_zeros.AsSpan(0, (int)Math.Min(s_zeros.Length, count - at)));
        }
    }

    /// <summary>Once a flush has failed, all later ones fail, too: the kernel marks the lost pages clean and would report success.</summary>
    public void Flush()
    {
        if (_flushFault is not null)
        {
            throw new DeviceFaultException(_flushFault.ErrorId,
                $"'{path}' has lost writes when it was flushed before, and cannot be trusted until it is opened again.", _flushFault);
        }

        try
        {
            FilePlatform.Current.Flush(handle, path);
        }
        catch (VmCryptException fault)
        {
            _flushFault = fault;
            throw;
        }
    }

    /// <inheritdoc cref="ILocalDevice.TryBypassCache"/>
    public int? TryBypassCache() => FilePlatform.Current.TryBypassCache(handle);

    /// <inheritdoc cref="ILocalDevice.DropCache"/>
    public void DropCache()
    {
        Flush();
        FilePlatform.Current.DropCache(handle);
    }

    public void Dispose() => FilePlatform.Current.Close(handle);
}
