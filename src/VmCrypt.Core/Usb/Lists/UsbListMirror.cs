using VmCrypt.Core.Database;

namespace VmCrypt.Core.Usb.Lists;

/// <summary>Keeps the lists of this host like those in the database that it shares with others, as soon as they change there.</summary>
/// <remarks>
/// What guards VMs reads the files, and so goes on by the last known lists while the database is away: a server that is restarted
/// ejects nobody's keyboard. When it is back, what was missed is made up for.
/// </remarks>
internal sealed class UsbListMirror : IAsyncDisposable
{
    /// <summary>What stands before a list's file name in the database.</summary>
    public const string Prefix = "usb/";

    private readonly CancellationTokenSource _stop = new();
    private Task _following = Task.CompletedTask;

    private UsbListMirror()
    {
    }

    /// <summary>Starts to follow, and returns once the lists are like those of the database, or it was found to be away. Null where the host has none.</summary>
    public static async Task<UsbListMirror?> StartAsync(UsbWhitelistStore store, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await store.DatabaseAsync(cancellationToken) is not { } database)
        {
            return null;
        }

        var mirror = new UsbListMirror();
        var tried = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        mirror._following = mirror.FollowAsync(store, database, () => tried.TrySetResult(), clock);
        await tried.Task.WaitAsync(cancellationToken);
        return mirror;
    }

    public static async Task SynchroniseAsync(UsbWhitelistStore store, HostDatabase database, CancellationToken cancellationToken)
    {
        List<(string Name, byte[] Content)> shared = await SharedDocuments.ListAsync(database, Prefix, cancellationToken);
        Dictionary<string, byte[]> here = store.Files().ToDictionary(file => file.Name, file => file.Content, StringComparer.Ordinal);
        foreach ((string name, byte[] content) in shared.Select(list => (list.Name[Prefix.Length..], list.Content)).Where(list => UsbListFile.TryVmOf(list.Item1, out _)))
        {
            if (!(here.Remove(name, out byte[]? old) && old.AsSpan().SequenceEqual(content)))
            {
                await store.WriteFileAsync(name, content, cancellationToken);
            }
        }

        foreach (string gone in here.Keys)
        {
            await store.RemoveFileAsync(gone, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _following;
        _stop.Dispose();
    }

    private async Task FollowAsync(UsbWhitelistStore store, HostDatabase database, Action tried, TimeProvider clock)
    {
        try
        {
            await DatabaseListener.FollowAsync(
                database,
                name => name?.StartsWith(Prefix, StringComparison.Ordinal) == false ? Task.CompletedTask : SynchroniseAsync(store, database, _stop.Token),
                _ => tried(),
                clock,
                _stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }
}
