using VmCrypt.Core.Nbd.Authorization;

namespace VmCrypt.Core.Nbd;

/// <summary>Ends the connections of clients that the rules, as they are now, would not let in.</summary>
/// <remarks>
/// A change counts for them when two looks in a row found it the same: an editor that empties the file before it writes
/// must not cost every machine its disk. Who connects is judged by what the file says at that moment.
/// </remarks>
internal sealed class NbdRevocation(NbdAuthorization authorization, NbdServerContext context)
{
    private int _judged = authorization.Version;
    private int _seen = authorization.Version;

    /// <summary>Looks again and again until the server stops.</summary>
    public async Task RunAsync(TimeSpan interval, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                Look();
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    /// <summary>One look; a change that stands since the last one is carried out.</summary>
    public void Look()
    {
        int version = authorization.Version;
        if (version == _seen && version != _judged)
        {
            foreach (NbdServerConnection connection in context.Live)
            {
                connection.JudgeAgain(authorization);
            }

            _judged = version;
        }

        _seen = version;
    }
}
