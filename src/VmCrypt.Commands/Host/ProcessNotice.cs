using System.Text.Json;

namespace VmCrypt.Commands.Host;

/// <summary>What a process that works in the foreground leaves in the runtime folder, so that another one can find and end it.</summary>
/// <remarks>
/// The process holds its notice locked: one that is not locked was left behind by a process that died. Who wants the work to end
/// puts a file beside the notice, which its process watches for; a signal would end all that the process does, and Windows has none.
/// </remarks>
/// <typeparam name="T">What it says of its work; each kind of work has a type, and a suffix for its files.</typeparam>
internal sealed class ProcessNotice<T> : IProcessNotice
    where T : class
{
    private const string RequestSuffix = ".stop";

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    private readonly string _file;
    private readonly CancellationTokenSource _stopRequested = new();
    private FileStream? _lock;
    private FileSystemWatcher? _watcher;

    private ProcessNotice(string file, T work, int processId)
    {
        _file = file;
        Work = work;
        ProcessId = processId;
    }

    public T Work { get; private set; }

    public int ProcessId { get; }

    public CancellationToken StopRequested => _stopRequested.Token;

    private string Request => _file + RequestSuffix;

    /// <summary>Announces what this process does, until the notice is disposed.</summary>
    public static ProcessNotice<T> Post(string suffix, T work)
    {
        string file = Path.Combine(RuntimeFolder.Require(), Guid.NewGuid().ToString("N") + suffix);
        var notice = new ProcessNotice<T>(file, work, Environment.ProcessId)
        {
            _lock = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.Read),
        };
        notice._watcher = new FileSystemWatcher(Path.GetDirectoryName(file)!, Path.GetFileName(notice.Request));
        notice._watcher.Created += (_, _) => notice._stopRequested.Cancel();
        notice._watcher.EnableRaisingEvents = true;
        notice.Update(work);
        return notice;
    }

    /// <summary>The notices of processes that are alive; those of dead ones are cleared away.</summary>
    public static IReadOnlyList<ProcessNotice<T>> Standing(string suffix) =>
        [.. Directory.GetFiles(RuntimeFolder.Require(), "*" + suffix).Select(Read).OfType<ProcessNotice<T>>().Where(notice => notice.IsStanding())];

    /// <summary>Says something new in place of the old.</summary>
    public void Update(T work)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(new Content(work, ProcessId));
        _lock!.Position = 0;
        _lock.Write(text);
        _lock.SetLength(text.Length);
        _lock.Flush();
        Work = work;
    }

    /// <summary>Asks the process to stop this work, and waits until it has.</summary>
    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        File.Create(Request).Dispose();
        try
        {
            while (IsStanding())
            {
                await Task.Delay(s_poll, cancellationToken);
            }
        }
        finally
        {
            File.Delete(Request);
        }
    }

    public void Dispose()
    {
        _watcher?.Dispose();
        if (_lock is not null)
        {
            _lock.Dispose();
            File.Delete(_file);
            _lock = null;
        }
    }

    private static ProcessNotice<T>? Read(string file)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return JsonSerializer.Deserialize<Content>(stream) is { } content ? new ProcessNotice<T>(file, content.Work, content.ProcessId) : null;
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            // Taken down, or not yet written, in this very moment.
            return null;
        }
    }

    private bool IsStanding()
    {
        try
        {
            using (new FileStream(_file, FileMode.Open, FileAccess.Write, FileShare.None))
            {
                File.Delete(_file);
            }

            return false;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private sealed record Content(T Work, int ProcessId);
}
