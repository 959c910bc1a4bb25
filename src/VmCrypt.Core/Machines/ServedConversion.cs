using VmCrypt.Core.Nbd;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Core.Machines;

/// <summary>A disk that is served over NBD while it is converted in its place, and on until it is stopped: for a VM that cannot wait.</summary>
public sealed class ServedConversion
{
    private ServedConversion(LiveConversion conversion, NbdServer server) => (Conversion, Server) = (conversion, server);

    public LiveConversion Conversion { get; }

    public NbdServer Server { get; }

    /// <summary>Begins to convert and to serve. Where the server cannot start the conversion stops again, to be gone on with.</summary>
    /// <param name="convert">Begins the conversion; gives null where nothing is left to convert.</param>
    /// <param name="options">Where to serve; the credentials stay the caller's.</param>
    /// <param name="name">Of the export.</param>
    /// <param name="description">Of the export, for people.</param>
    /// <param name="cancellationToken">Cancels; what has begun can be gone on with.</param>
    /// <returns>Null where nothing was left to convert.</returns>
    public static async Task<ServedConversion?> StartAsync(
        Func<CancellationToken, Task<LiveConversion?>> convert, NbdServerOptions options, string name, string description, CancellationToken cancellationToken)
    {
        if (await convert(cancellationToken) is not { } conversion)
        {
            return null;
        }

        try
        {
            var export = new NbdExport(name, conversion.Disk) { Description = description };
            return new ServedConversion(conversion, await NbdServer.StartAsync(options, [export], cancellationToken));
        }
        catch
        {
            await conversion.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops the conversion after the zone at work, then the server, flushes and closes everything.</summary>
    public async Task StopAsync()
    {
        await Conversion.StopAsync();
        try
        {
            await Server.StopAsync(CancellationToken.None);
        }
        finally
        {
            await Conversion.DisposeAsync();
        }
    }
}
