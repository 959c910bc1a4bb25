using System.Runtime.InteropServices;
using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Export;

/// <summary>What a process that serves in the foreground leaves in the runtime folder, so that another one can end it.</summary>
/// <remarks>The process holds its notice locked: one that is not locked was left behind by a process that died.</remarks>
internal sealed partial class ExportNotice : IDisposable
{
    private const string Suffix = ".export";
    private const int SigTerm = 15;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    private readonly string _file;
    private readonly Content _content;
    private FileStream? _lock;

    private ExportNotice(string file, Content content)
    {
        _file = file;
        _content = content;
    }

    public string Path => _content.Path;

    public string Uri => _content.Uri;

    /// <summary>Announces an export of this process until it is disposed.</summary>
    public static ExportNotice Post(ImageExport export)
    {
        string file = System.IO.Path.Combine(RuntimeFolder.Require(), Guid.NewGuid().ToString("N") + Suffix);
        var notice = new ExportNotice(file, new Content(export.Path, export.Uri, Environment.ProcessId))
        {
            _lock = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.Read),
        };
        JsonSerializer.Serialize(notice._lock, notice._content);
        notice._lock.Flush();
        return notice;
    }

    /// <summary>The notices of processes that are alive; those of dead ones are cleared away.</summary>
    public static IReadOnlyList<ExportNotice> Standing()
    {
        string folder = RuntimeFolder.Require();
        return [.. Directory.GetFiles(folder, "*" + Suffix).Select(Read).OfType<ExportNotice>().Where(notice => notice.IsStanding())];
    }

    /// <summary>Asks the process to stop, and waits until it has.</summary>
    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new UnsupportedFeatureException(ErrorIds.ExportForeign, $"{Uri} is served by process {_content.ProcessId}; press Ctrl+C there.");
        }

        _ = Kill(_content.ProcessId, SigTerm);
        while (IsStanding())
        {
            await Task.Delay(s_poll, cancellationToken);
        }
    }

    public void Dispose()
    {
        if (_lock is not null)
        {
            _lock.Dispose();
            File.Delete(_file);
        }
    }

    private static ExportNotice? Read(string file)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return JsonSerializer.Deserialize<Content>(stream) is { } content ? new ExportNotice(file, content) : null;
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

    private sealed record Content(string Path, string Uri, int ProcessId);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int processId, int signal);
}
