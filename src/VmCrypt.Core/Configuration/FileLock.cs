using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>One writer at a time, across processes: an exclusive lock on a file beside the one that is written.</summary>
/// <remarks>The lock file is never deleted: two waiters could then hold locks on two files of one name.</remarks>
internal sealed class FileLock : IDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    private readonly FileStream _stream;

    private FileLock(FileStream stream) => _stream = stream;

    /// <summary>Locks <c>path.lock</c>.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ConfigurationBusy"/> after <paramref name="patience"/>.</exception>
    public static async Task<FileLock> TakeAsync(string path, TimeSpan patience, CancellationToken cancellationToken)
    {
        string name = path + ".lock";
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            try
            {
                return new FileLock(new FileStream(name, options));
            }
            catch (UnauthorizedAccessException fault)
            {
                throw new DeviceFaultException(ErrorIds.AccessDenied, $"The lock file '{name}' cannot be opened: {fault.Message}", fault);
            }
            catch (IOException fault) when (fault is not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException))
            {
                if (Environment.TickCount64 >= deadline)
                {
                    throw new DeviceBusyException(ErrorIds.ConfigurationBusy,
                        $"Another process holds the lock '{name}' for more than {patience.TotalSeconds:0} seconds.", fault);
                }
            }

            await Task.Delay(s_pause, cancellationToken);
        }
    }

    public void Dispose() => _stream.Dispose();
}
