using VmCrypt.Commands.Host;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Commands.Export;

/// <summary>A plain disk that is served over NBD until it is locked.</summary>
public sealed class ImageExport
{
    private readonly NbdServer _server;
    private readonly NbdServerOptions _options;
    private readonly Func<Task> _close;
    private Task? _stopping;

    private ImageExport(string path, NbdServer server, NbdServerOptions options, Func<Task> close)
    {
        _server = server;
        _options = options;
        _close = close;
        Path = path;
        Uri = server.Uri.ToString();
    }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where NBD clients find the plain disk.</summary>
    public string Uri { get; }

    /// <summary>Bytes of the plain disk.</summary>
    public required long Size { get; init; }

    public bool ReadOnly { get; init; }

    public NbdTlsMode Tls => _options.Tls;

    public DateTime StartedAt { get; } = DateTime.Now;

    /// <summary>Clients connected at this moment.</summary>
    public int Clients => IsRunning ? _server.Clients.Count : 0;

    public bool IsRunning => !_server.Completion.IsCompleted;

    /// <summary>The conversion in place that goes on meanwhile, or has ended; null for none.</summary>
    public ExportConversion? Conversion { get; init; }

    /// <summary>Ends when nothing is served any more.</summary>
    internal Task Completion => _server.Completion;

    /// <summary>Takes the disk, and the credentials in the options.</summary>
    internal static async ValueTask<ImageExport> StartAsync(
        UnlockedDisk disk, NbdServerOptions options, string name, bool readOnly, CancellationToken cancellationToken)
    {
        var export = new NbdExport(name, disk.Device) { ReadOnly = readOnly, Description = disk.Location.Text };
        NbdServer server = await NbdServer.StartAsync(options, [export], cancellationToken);
        return new ImageExport(disk.Location.Text, server, options, StopAsync) { Size = disk.Device.Length, ReadOnly = readOnly };

        async Task StopAsync()
        {
            try
            {
                await server.StopAsync(CancellationToken.None);
            }
            finally
            {
                await disk.DisposeAsync();
            }
        }
    }

    /// <summary>Takes the conversion, and the credentials in the options.</summary>
    internal static ImageExport Of(ServedConversion served, NbdServerOptions options, string path) =>
        new(path, served.Server, options, served.StopAsync)
        {
            Size = served.Conversion.Disk.Length,
            Conversion = new ExportConversion(served.Conversion),
        };

    /// <summary>Lets running requests finish, flushes and closes everything; any number of calls wait for the same end.</summary>
    internal Task StopAsync()
    {
        lock (_server)
        {
            return _stopping ??= StopOnceAsync();
        }
    }

    private async Task StopOnceAsync()
    {
        try
        {
            await _close();
        }
        finally
        {
            _options.Credentials?.Dispose();
        }
    }
}
