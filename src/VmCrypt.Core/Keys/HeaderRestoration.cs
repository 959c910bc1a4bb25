using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A backup that was found to fit an image, which stays open, and locked for others, until this is disposed.</summary>
public sealed class HeaderRestoration : IAsyncDisposable
{
    private readonly HeaderPlace _place;
    private readonly LuksHeaderBackup _backup;

    internal HeaderRestoration(HeaderPlace place, LuksHeaderBackup backup, HeaderBackup description)
    {
        _place = place;
        _backup = backup;
        Backup = description;
    }

    public HeaderBackup Backup { get; }

    /// <summary>What restoring does, in one sentence.</summary>
    public string Plan
    {
        get
        {
            string now = _place.Header is { } header
                ? $"the {LuksVersions.NameOf(header.Version)} header {header.Uuid} with the key slots {Numbers(header)}"
                : "what stands there, which is no LUKS header";
            return $"Write the {LuksVersions.NameOf(Backup.Version)} header {Backup.Uuid} with the key slots {Numbers(_backup.Header)} ({_backup.Header.HeaderLength} bytes, the first sector last) over {now}";
        }
    }

    /// <summary>Slots whose passphrases, as they were when the backup was made, open the image afterwards.</summary>
    public IReadOnlyList<int> RevivedSlots => [.. _backup.Header.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number)];

    /// <summary>Writes the header and reads it back. <see cref="LuksHeaderRestore"/> says in which order, and what a crash leaves.</summary>
    /// <exception cref="Errors.DeviceFaultException"><see cref="Errors.ErrorIds.LuksHeaderNotStored"/>.</exception>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await LuksHeaderRestore.WriteAsync(_place.Area, _place.Placement, _backup);
    }

    public ValueTask DisposeAsync() => _place.DisposeAsync();

    private static string Numbers(LuksHeader header) =>
        string.Join(", ", header.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number)) is { Length: > 0 } numbers ? numbers : "(none)";
}
