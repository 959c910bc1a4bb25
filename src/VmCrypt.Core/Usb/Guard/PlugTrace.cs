using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Makes QEMU tell of plugs at once: it has no event for them, but a trace point, whose log file can be watched.</summary>
/// <remarks>What the lines say does not matter, only that there are more of them; a forged line costs a look and no more.</remarks>
internal sealed class PlugTrace : IDisposable
{
    private static readonly string[] s_points = ["usb_port_attach", "usb_port_detach"];

    private readonly ConcurrentDictionary<string, Action> _files = new(StringComparer.Ordinal);
    private readonly FileSystemWatcher _watcher;

    private PlugTrace(FileSystemWatcher watcher)
    {
        _watcher = watcher;
        watcher.Changed += (_, file) => Notice(file.FullPath);
        watcher.Error += (_, _) => NoticeAll();
        watcher.EnableRaisingEvents = true;
    }

    /// <summary>Watches a folder; null where that cannot be done.</summary>
    public static PlugTrace? TryWatch(string folder)
    {
        try
        {
            return new PlugTrace(new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.LastWrite | NotifyFilters.Size });
        }
        catch (Exception fault) when (fault is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A folder that every QEMU may write into files of, whoever runs it, but list for nobody.</summary>
    public static void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
    }

    /// <summary>Has <paramref name="noticed"/> called whenever <paramref name="file"/> changes, until the result is disposed.</summary>
    public IDisposable Follow(string file, Action noticed)
    {
        string name = Path.GetFileName(file);
        _files[name] = noticed;
        return new Following(() => _files.TryRemove(KeyValuePair.Create(name, noticed)));
    }

    /// <summary>Switches the trace points on and, unless QEMU's log is followed where it is, moves that log.</summary>
    /// <returns>Null, or why the trace does not work.</returns>
    public static async Task<string?> EnableAsync(IQemuMonitor monitor, string? logFile, CancellationToken cancellationToken)
    {
        try
        {
            foreach (string point in s_points)
            {
                await monitor.ExecuteAsync("trace-event-set-state", new JsonObject { ["name"] = point, ["enable"] = true }, cancellationToken);
            }

            if (logFile is null)
            {
                return null;
            }

            NewFile(logFile);
            JsonElement answer = await monitor.ExecuteAsync("human-monitor-command", new JsonObject { ["command-line"] = $"logfile {logFile}" }, cancellationToken);
            return answer.GetString() is { Length: > 0 } complaint ? complaint.Trim() : null;
        }
        catch (Exception fault) when (fault is RefusedException or MissingException or IOException or UnauthorizedAccessException)
        {
            return fault.Message;
        }
    }

    public void Dispose() => _watcher.Dispose();

    private static void NewFile(string path)
    {
        File.Delete(path);
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        }
    }

    private void Notice(string path)
    {
        if (_files.TryGetValue(Path.GetFileName(path), out Action? noticed))
        {
            noticed();
        }
    }

    // Something was missed: then everything may have changed.
    private void NoticeAll()
    {
        foreach (Action noticed in _files.Values)
        {
            noticed();
        }
    }

    private sealed class Following(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
