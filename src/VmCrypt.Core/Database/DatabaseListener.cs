using System.Threading.Channels;
using Npgsql;

namespace VmCrypt.Core.Database;

/// <summary>Hears what other hosts change, for as long as it is kept; a connection that is lost is made anew.</summary>
internal static class DatabaseListener
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>Calls <paramref name="changed"/> with the name of each document that was changed; with null after each connect, when anything may have been.</summary>
    /// <param name="tried">Called after each try to connect: whether it went well.</param>
    public static async Task FollowAsync(
        HostDatabase database, Func<string?, Task> changed, Action<bool> tried, TimeProvider clock, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(database, changed, tried, cancellationToken);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // Whatever it was, whoever follows shall not believe for ever that nothing changes: after the next connect all is looked at.
                tried(false);
                await Task.Delay(s_pause, clock, cancellationToken);
            }
        }
    }

    private static async Task ListenAsync(HostDatabase database, Func<string?, Task> changed, Action<bool> tried, CancellationToken cancellationToken)
    {
        await using NpgsqlConnection connection = await database.ConnectAsync(cancellationToken);
        Channel<string> names = Channel.CreateUnbounded<string>();
        connection.Notification += (_, notice) => names.Writer.TryWrite(notice.Payload);
        await using (var listen = new NpgsqlCommand($"listen {SharedDocuments.Channel}", connection))
        {
            await listen.ExecuteNonQueryAsync(cancellationToken);
        }

        await changed(null);
        tried(true);
        while (true)
        {
            while (names.Reader.TryRead(out string? name))
            {
                await changed(name);
            }

            await connection.WaitAsync(cancellationToken);
        }
    }
}
