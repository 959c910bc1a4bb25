using System.Collections.Immutable;
using System.Threading.Channels;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Lists;

/// <summary>The whitelists of this host in memory, always as they are on disk now.</summary>
/// <remarks>
/// Changes come by the file system's own notice; every two seconds a look at names and times finds what that may have lost.
/// It fails closed: a list that cannot be read, is no valid list or belongs to the wrong user allows nothing, and does not fall back
/// to the default list. A list that is half written (editors do that) is read again for a fifth of a second before it counts as broken.
/// </remarks>
public sealed class UsbPolicy : IAsyncDisposable
{
    private static readonly TimeSpan s_secondLook = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(40);
    private const int Retries = 5;

    private readonly UsbWhitelistStore _store;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<string?> _touched = Channel.CreateUnbounded<string?>(new UnboundedChannelOptions { SingleReader = true });
    private volatile ImmutableDictionary<string, Entry> _lists = ImmutableDictionary<string, Entry>.Empty;
    private Dictionary<string, FileStamp> _stamps = [];
    private DateTimeOffset _turnsToldUntil;
    private FileSystemWatcher? _watcher;
    private Task _loop = Task.CompletedTask;
    private UsbListMirror? _mirror;

    private UsbPolicy(UsbWhitelistStore store, TimeProvider clock)
    {
        _store = store;
        _clock = clock;
        _turnsToldUntil = clock.GetUtcNow();
    }

    /// <summary>Lists have changed, and <see cref="For"/> already answers by the new ones.</summary>
    public event EventHandler<UsbPolicyChangedEventArgs>? Changed;

    /// <summary>What is wrong with which list, by its file's name; such lists allow nothing.</summary>
    public IReadOnlyDictionary<string, string> Faults =>
        _lists.Where(list => list.Value.Fault is not null).ToDictionary(list => list.Key, list => list.Value.Fault!);

    public static async Task<UsbPolicy> OpenAsync(UsbWhitelistStore store, CancellationToken cancellationToken, TimeProvider? clock = null)
    {
        var policy = new UsbPolicy(store, clock ?? TimeProvider.System);
        store.Create();
        policy._mirror = await UsbListMirror.StartAsync(store, policy._clock, cancellationToken);
        policy.Watch();
        await policy.ReloadAsync(policy.LookAround(), retry: false, cancellationToken);
        policy._loop = Task.Run(policy.RunAsync, CancellationToken.None);
        return policy;
    }

    /// <summary>The rules for a VM, now: those of its UUID, else of its name, else the default list, else none, which allows nothing.</summary>
    /// <remarks>A VM that is named like a UUID does not get that UUID's list, and a name that no list can have has none.</remarks>
    public UsbRuleSet For(VmIdentity vm)
    {
        ImmutableDictionary<string, Entry> lists = _lists;
        Entry? Find(string? name) => UsbListFile.TryNameOf(name) is { } file ? lists.GetValueOrDefault(file) : null;
        Entry? own = vm.Uuid is { } uuid ? Find(uuid.ToString("D")) : null;
        Entry? named = Guid.TryParse(vm.Name, out _) ? null : Find(vm.Name);
        return (own ?? named ?? Find(null))?.Rules ?? UsbRuleSet.DenyAll;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _watcher?.Dispose();
        await _loop;
        await (_mirror?.DisposeAsync() ?? ValueTask.CompletedTask);
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await FollowOnceAsync();
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private async Task FollowOnceAsync()
    {
        try
        {
            await ReloadAsync(await NextAsync(), retry: true, _stop.Token);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // Nobody thought of this. Lists that cannot be followed must not go on allowing: all are forgotten, and read again soon.
            (_lists, _stamps) = (ImmutableDictionary<string, Entry>.Empty, []);
            await Task.Delay(s_secondLook, _clock, _stop.Token);
        }
    }

    // The names that were touched, or that a second look finds changed.
    private async Task<HashSet<string>> NextAsync()
    {
        DateTimeOffset now = _clock.GetUtcNow();
        DateTimeOffset? turn = _lists.Values.Select(list => list.Rules.NextChange(_turnsToldUntil)).Min();
        if (turn <= now)
        {
            // Time alone has moved a rule in or out of force.
            _turnsToldUntil = now;
            Changed?.Invoke(this, new UsbPolicyChangedEventArgs(_clock.GetTimestamp(), []));
            return [];
        }

        TimeSpan pause = turn is { } next && next - now < s_secondLook ? next - now : s_secondLook;
        if (await IsTouchedAsync(pause))
        {
            var names = new HashSet<string>();
            while (_touched.Reader.TryRead(out string? name))
            {
                names.UnionWith(name is null ? LookAround() : [name]);
            }

            return names;
        }

        HashSet<string> missed = LookAround();
        if (missed.Count > 0)
        {
            Watch();
        }

        return missed;
    }

    private async Task<bool> IsTouchedAsync(TimeSpan pause)
    {
        using var over = new CancellationTokenSource(pause, _clock);
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, over.Token);
        try
        {
            return await _touched.Reader.WaitToReadAsync(quiet.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task ReloadAsync(HashSet<string> names, bool retry, CancellationToken cancellationToken)
    {
        long seen = _clock.GetTimestamp();
        var changed = new List<string>();
        foreach (string name in names)
        {
            Entry? entry = await ReadAsync(name, retry, cancellationToken);
            if (entry?.IsSameAs(_lists.GetValueOrDefault(name)) ?? !_lists.ContainsKey(name))
            {
                continue;
            }

            _lists = entry is null ? _lists.Remove(name) : _lists.SetItem(name, entry);
            changed.Add(name);
        }

        if (changed.Count > 0)
        {
            Changed?.Invoke(this, new UsbPolicyChangedEventArgs(seen, changed));
        }
    }

    private async Task<Entry?> ReadAsync(string name, bool retry, CancellationToken cancellationToken)
    {
        for (int left = retry ? Retries : 0; ; left--)
        {
            try
            {
                _ = UsbListFile.TryVmOf(name, out string? vm);
                return await _store.FindAsync(vm, cancellationToken) is { } list ? new Entry(new UsbRuleSet(list), null) : null;
            }
            catch (InvalidInputException) when (left > 0)
            {
                await Task.Delay(s_retry, cancellationToken);
            }
            catch (Exception fault) when (fault is VmCryptException or IOException or UnauthorizedAccessException)
            {
                return new Entry(UsbRuleSet.DenyAll, fault.Message);
            }
        }
    }

    /// <summary>Notes the state of all files and returns the names whose state is new.</summary>
    private HashSet<string> LookAround()
    {
        Dictionary<string, FileStamp> stamps = FileStamp.OfFolder(_store.Path);
        HashSet<string> changed = [.. stamps.Where(file => _stamps.GetValueOrDefault(file.Key) != file.Value).Select(file => file.Key), .. _stamps.Keys.Except(stamps.Keys)];
        _stamps = stamps;
        return changed;
    }

    private void Watch()
    {
        _watcher?.Dispose();
        _watcher = null;
        try
        {
            var watcher = new FileSystemWatcher(_store.Path) { InternalBufferSize = 64 * 1024 };
            watcher.NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.Attributes;
            watcher.Created += (_, file) => Touch(file.Name);
            watcher.Changed += (_, file) => Touch(file.Name);
            watcher.Deleted += (_, file) => Touch(file.Name);
            watcher.Renamed += (_, file) => Touch(file.OldName, file.Name);
            watcher.Error += (_, _) => _touched.Writer.TryWrite(null);
            watcher.EnableRaisingEvents = true;
            _watcher = watcher;
        }
        catch (Exception fault) when (fault is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // No folder to watch, or no watches left: the second look remains, and tries again.
        }
    }

    private void Touch(params ReadOnlySpan<string?> names)
    {
        foreach (string? name in names)
        {
            if (name is not null && UsbListFile.TryVmOf(name, out _))
            {
                _touched.Writer.TryWrite(name);
            }
        }
    }

    private sealed record Entry(UsbRuleSet Rules, string? Fault)
    {
        public bool IsSameAs(Entry? other) => other is not null && Fault == other.Fault && Rules.Whitelist.Rules.SequenceEqual(other.Rules.Whitelist.Rules);
    }
}

/// <summary>What changed in the lists.</summary>
public sealed class UsbPolicyChangedEventArgs(long timestamp, IReadOnlyList<string> files) : EventArgs
{
    /// <summary>When it was noticed, by the clock's <see cref="TimeProvider.GetTimestamp"/>.</summary>
    public long Timestamp { get; } = timestamp;

    /// <summary>The lists' file names; none where time alone moved a rule in or out of force.</summary>
    public IReadOnlyList<string> Files { get; } = files;
}

/// <summary>By what a change of a list's file shows: its content, its rights, those of its folder.</summary>
internal readonly record struct FileStamp(DateTime Written, long Length, FileOwner? Owner, FileOwner? FolderOwner)
{
    public static Dictionary<string, FileStamp> OfFolder(string folder)
    {
        try
        {
            FileOwner? own = FileOwner.Of(folder);
            return new DirectoryInfo(folder).EnumerateFiles().Where(file => UsbListFile.TryVmOf(file.Name, out _))
                .ToDictionary(file => file.Name, file => new FileStamp(file.LastWriteTimeUtc, file.Length, FileOwner.Of(file.FullName), own));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
