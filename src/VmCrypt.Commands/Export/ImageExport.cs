using VmCrypt.Commands.Host;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Commands.Export;

/// <summary>A plain disk that is served over NBD until it is locked.</summary>
public sealed class ImageExport
{
    private readonly UnlockedDisk _disk;
    private readonly NbdServer _server;
    private readonly NbdServerOptions _options;
    private Task? _stopping;

    private ImageExport(UnlockedDisk disk, NbdServer server, NbdServerOptions options, bool readOnly)
    {
        _disk = disk;
        _server = server;
        _options = options;
        Path = disk.Location.Text;
        Uri = server.Uri.ToString();
        Size = disk.Device.Length;
        ReadOnly = readOnly;
    }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where NBD clients find the plain disk.</summary>
    public string Uri { get; }

    /// <summary>Bytes of the plain disk.</summary>
    public long Size { get; }

    public bool ReadOnly { get; }

    public NbdTlsMode Tls => _options.Tls;

    public DateTime StartedAt { get; } = DateTime.Now;

    /// <summary>Clients connected at this moment.</summary>
    public int Clients => IsRunning ? _server.Clients.Count : 0;

    public bool IsRunning => !_server.Completion.IsCompleted;

    /// <summary>Ends when nothing is served any more.</summary>
    internal Task Completion => _server.Completion;

    /// <summary>Takes the disk, and the credentials in the options.</summary>
    internal static async ValueTask<ImageExport> StartAsync(
        UnlockedDisk disk, NbdServerOptions options, string name, bool readOnly, CancellationToken cancellationToken)
    {
        var export = new NbdExport(name, disk.Device) { ReadOnly = readOnly, Description = disk.Location.Text };
        NbdServer server = await NbdServer.StartAsync(options, [export], cancellationToken);
        return new ImageExport(disk, server, options, readOnly);
    }

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
            await _server.StopAsync(CancellationToken.None);
        }
        finally
        {
            _options.Credentials?.Dispose();
            await _disk.DisposeAsync();
        }
    }
}
