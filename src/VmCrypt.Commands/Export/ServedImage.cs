namespace VmCrypt.Commands.Export;

/// <summary>An export that can be told to stop, in this process or in another one.</summary>
/// <param name="Path">The image.</param>
/// <param name="Uri">Where it is served.</param>
/// <param name="Conversion">What goes on behind it; null for nothing, and for what another process says for itself.</param>
/// <param name="StopAsync">Returns when everything is flushed and closed.</param>
internal sealed record ServedImage(string Path, string Uri, ExportConversion? Conversion, Func<CancellationToken, ValueTask> StopAsync)
{
    public static IReadOnlyList<ServedImage> All() =>
    [
        .. ExportTable.Running.Select(export => new ServedImage(export.Path, export.Uri, export.Conversion, _ => new ValueTask(export.StopAsync()))),
        .. ExportNotice.Standing().Select(notice => new ServedImage(notice.Work.Path, notice.Work.Uri, null, notice.StopAsync)),
    ];
}
