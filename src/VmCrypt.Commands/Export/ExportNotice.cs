using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Export;

/// <summary>An export that a process serves in the foreground.</summary>
internal sealed record ExportNotice(string Path, string Uri)
{
    private const string Suffix = ".export";

    /// <summary>Announces an export of this process until the notice is disposed.</summary>
    public static ProcessNotice<ExportNotice> Post(ImageExport export) =>
        ProcessNotice<ExportNotice>.Post(Suffix, new ExportNotice(export.Path, export.Uri));

    public static IReadOnlyList<ProcessNotice<ExportNotice>> Standing() => ProcessNotice<ExportNotice>.Standing(Suffix);
}
