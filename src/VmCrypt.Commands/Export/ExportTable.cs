namespace VmCrypt.Commands.Export;

/// <summary>The exports of this process that outlive their command. They are stopped in order when the process ends.</summary>
internal static class ExportTable
{
    private static readonly Lock s_lock = new();
    private static readonly List<ImageExport> s_exports = [];

    static ExportTable() => AppDomain.CurrentDomain.ProcessExit += (_, _) => StopAll();

    /// <summary>Those that are still served.</summary>
    public static IReadOnlyList<ImageExport> Running
    {
        get
        {
            lock (s_lock)
            {
                s_exports.RemoveAll(export => !export.IsRunning);
                return [.. s_exports];
            }
        }
    }

    public static void Add(ImageExport export)
    {
        lock (s_lock)
        {
            s_exports.Add(export);
        }
    }

    private static void StopAll() => Task.WhenAll(Running.Select(export => export.StopAsync())).GetAwaiter().GetResult();
}
