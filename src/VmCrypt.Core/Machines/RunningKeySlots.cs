using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Machines;

/// <summary>The key slots of LUKS disks that a running VM has open: QEMU changes them, and we prove each change from the medium.</summary>
/// <remarks>
/// <para>(1) The current passphrase is proven by reading the header. (2) QEMU fills a free slot and flushes. (3) The new passphrase is
/// proven to open that slot, as the medium holds it. (4) Of a change, libvirt's secret of the disk gets the new passphrase where it held
/// the current one, and (5) QEMU destroys the old slot and flushes. A failure in (2) to (4) destroys the new slot again, one in (5) too as
/// long as the old slot is there; the secret goes back before. A crash leaves the old passphrase, both or the new one, and a secret that
/// opens the disk; the same call goes on. The last slot is never destroyed.</para>
/// <para>The guest goes on meanwhile. Its disk waits while QEMU measures and derives a key, which takes a few times the iteration time.</para>
/// </remarks>
public sealed class RunningKeySlots : IAsyncDisposable
{
    /// <summary>QEMU answers nobody while it derives a key, so the guest would stand still for long.</summary>
    private static readonly TimeSpan s_longestIterTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly IQemuMonitor _monitor;
    private readonly LibvirtMasterKey? _master;
    private readonly LibvirtHost? _host;
    private readonly string? _vm;

    private RunningKeySlots(IQemuMonitor monitor, LibvirtHost? host, string? vm, LibvirtMasterKey? master)
    {
        _monitor = monitor;
        _host = host;
        _vm = vm;
        _master = master;
    }

    /// <summary>Called after each step; tests fail there.</summary>
    internal Action<RunningStep> After { get; init; } = _ => { };

    /// <summary>By QEMU's own QMP socket.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.MonitorUnreachable"/>.</exception>
    public static async ValueTask<RunningKeySlots> OfSocketAsync(StreamEndpoint endpoint, CancellationToken cancellationToken) =>
        Over(await QmpClient.ConnectAsync(endpoint, s_patience, cancellationToken));

    /// <summary>By libvirt, which marks the domain as tainted (custom-monitor) from then on.</summary>
    /// <param name="vm">The domain's name or UUID.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmMissing"/>.</exception>
    public static ValueTask<RunningKeySlots> OfDomainAsync(string connectUri, string vm, CancellationToken cancellationToken) =>
        OfDomainAsync(connectUri, vm, _ => { }, cancellationToken);

    internal static async ValueTask<RunningKeySlots> OfDomainAsync(string connectUri, string vm, Action<RunningStep> after, CancellationToken cancellationToken)
    {
        var virsh = new Virsh(connectUri);
        _ = await virsh.RunAsync(cancellationToken, "domid", vm);
        var host = new LibvirtHost(connectUri, s_patience);
        IQemuMonitor? monitor = null;
        try
        {
            monitor = host.Open(vm);
            LibvirtMasterKey? master = virsh.IsLocal ? await LibvirtMasterKey.FindAsync(monitor, cancellationToken) : null;
            return new RunningKeySlots(monitor, host, vm, master) { After = after };
        }
        catch
        {
            await (monitor?.DisposeAsync() ?? ValueTask.CompletedTask);
            await host.DisposeAsync();
            throw;
        }
    }

    internal static RunningKeySlots Over(IQemuMonitor monitor, Action<RunningStep>? after = null) =>
        new(monitor, host: null, vm: null, master: null) { After = after ?? (_ => { }) };

    /// <summary>Gives the disk one more passphrase.</summary>
    /// <param name="current">A passphrase of the disk.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: nothing was changed.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.MonitorRefused"/>, <see cref="ErrorIds.KeySlotOccupied"/>, <see cref="ErrorIds.KeySlotsFull"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>: the new slot does not open, and was destroyed again.</exception>
    public async ValueTask<KeySlotChange> AddAsync(RunningDisk disk, DiskKeys current, NewKeySlot added, CancellationToken cancellationToken)
    {
        LuksNode node = await FindAsync(disk, added, cancellationToken);
        RunningHeader header = await RunningHeader.ReadAsync(disk, cancellationToken);
        _ = await header.RequireOpensAsync(current, cancellationToken);
        int? same = await header.FindAsync(added.Passphrase, except: null, cancellationToken);
        int slot = header.RequireFree(added.Slot);
        await FillAsync(node, header, slot, current, added, cancellationToken);
        return new KeySlotChange(slot) { SamePassphrase = same };
    }

    /// <summary>Replaces the passphrase that <paramref name="current"/> holds. The slot's number changes.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LibvirtSecretShared"/>: nothing was changed.</exception>
    /// <inheritdoc cref="AddAsync"/>
    public async ValueTask<KeySlotChange> ChangeAsync(RunningDisk disk, DiskKeys current, NewKeySlot replacement, CancellationToken cancellationToken)
    {
        LuksNode node = await FindAsync(disk, replacement, cancellationToken);
        RunningHeader header = await RunningHeader.ReadAsync(disk, cancellationToken);
        DiskSecrets? secrets = await SecretsAsync(disk, header.Passphrase(current), cancellationToken);
        int? begun = await header.FindAsync(replacement.Passphrase, except: null, cancellationToken);
        if (begun is { } there && !await header.OpensAsync(current, cancellationToken))
        {
            await SetAsync(secrets, replacement.Passphrase);
            return new KeySlotChange(there) { WasBegun = true };
        }

        int old = await header.RequireOpensAsync(current, cancellationToken);
        if (begun == old)
        {
            // The new passphrase is the old one: its only slot is not the one that takes the place of itself.
            begun = await header.FindAsync(replacement.Passphrase, except: old, cancellationToken);
        }

        int made = begun ?? header.RequireFree(slot: null);
        if (begun is null)
        {
            await FillAsync(node, header, made, current, replacement, cancellationToken);
        }

        await RetireAsync(node, header, (old, header.Passphrase(current)), (made, replacement.Passphrase), wasBegun: begun is not null, secrets);
        return new KeySlotChange(made) { WasBegun = begun is not null };
    }

    /// <summary>Destroys a slot and returns its number: the one that <paramref name="slot"/> names, else the one that <paramref name="keys"/> open.</summary>
    /// <param name="keys">With a slot, what must open the disk without it; null destroys the slot without a proof that another way in is left.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LastKeySlot"/>: it is never destroyed while the VM runs.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: nothing was changed.</exception>
    public async ValueTask<int> RemoveAsync(RunningDisk disk, int? slot, DiskKeys? keys, CancellationToken cancellationToken)
    {
        LuksNode node = await FindAsync(disk, cancellationToken);
        RunningHeader header = await RunningHeader.ReadAsync(disk, cancellationToken);
        if (slot is { } named && keys is not null)
        {
            await header.RequireWithoutAsync(keys, named, cancellationToken);
        }

        int doomed = slot ?? await header.RequireOpensAsync(keys!, cancellationToken);
        header.RequireNotLast(doomed);
        await node.EraseAsync(doomed);
        await node.FlushAsync(CancellationToken.None);
        return doomed;
    }

    public async ValueTask DisposeAsync()
    {
        await _monitor.DisposeAsync();
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        _master?.Dispose();
    }

    private ValueTask<LuksNode> FindAsync(RunningDisk disk, NewKeySlot slot, CancellationToken cancellationToken)
    {
        if (slot.Cost is not { IterTime: { } time, Kind: null or KdfKind.Pbkdf2 } || time > s_longestIterTime || slot.Priority is not (null or KeySlotPriority.Normal))
        {
            throw new InvalidInputException(ErrorIds.KdfCostInvalid,
                $"While a VM has the disk open, QEMU makes the slot: PBKDF2 by a time of at most {s_longestIterTime.TotalSeconds} s, and no priority.");
        }

        return FindAsync(disk, cancellationToken);
    }

    private async ValueTask<LuksNode> FindAsync(RunningDisk disk, CancellationToken cancellationToken)
    {
        await MonitorLeftovers.ClearAsync(_monitor, cancellationToken);
        return await LuksNode.FindAsync(_monitor, disk.Location.Text, disk.NodeName, cancellationToken);
    }

    private async ValueTask FillAsync(
        LuksNode node, RunningHeader header, int slot, DiskKeys current, NewKeySlot added, CancellationToken cancellationToken)
    {
        await using MonitorSecret old = await MonitorSecret.AddAsync(_monitor, header.Passphrase(current), _master);
        await using MonitorSecret fresh = await MonitorSecret.AddAsync(_monitor, added.Passphrase, _master);
        cancellationToken.ThrowIfCancellationRequested();
        await node.FillAsync(slot, old.Id, fresh.Id, added.Cost.IterTime!.Value);
        try
        {
            await node.FlushAsync(CancellationToken.None);
            After(RunningStep.Filled);
            await header.ProveAsync(added.Passphrase, slot);
            After(RunningStep.Proven);
        }
        catch (VmCryptException)
        {
            await EraseIfFilledAsync(node, header, slot);
            throw;
        }
    }

    private async ValueTask RetireAsync(
        LuksNode node, RunningHeader header, (int Slot, SecretBuffer Passphrase) old, (int Slot, SecretBuffer Passphrase) made, bool wasBegun, DiskSecrets? secrets)
    {
        try
        {
            await SetAsync(secrets, made.Passphrase);
            After(RunningStep.SecretSet);
            await node.EraseAsync(old.Slot);
            After(RunningStep.Erased);
            await node.FlushAsync(CancellationToken.None);
        }
        catch (VmCryptException) when (!wasBegun)
        {
            // What somebody else, or an earlier call, has made is not ours to take back.
            if (await header.IsActiveAsync(old.Slot) && await TrySetAsync(secrets, old.Passphrase))
            {
                await EraseIfFilledAsync(node, header, made.Slot);
            }

            throw;
        }
    }

    private async ValueTask<DiskSecrets?> SecretsAsync(RunningDisk disk, SecretBuffer current, CancellationToken cancellationToken) => _vm is null || disk.KeepsSecret
        ? null
        : await DiskSecrets.FindAsync(_host!.Connection, _vm, disk.Location.Text, current, cancellationToken);

    private static ValueTask SetAsync(DiskSecrets? secrets, SecretBuffer passphrase) => secrets?.SetAsync(passphrase) ?? ValueTask.CompletedTask;

    private static async ValueTask<bool> TrySetAsync(DiskSecrets? secrets, SecretBuffer passphrase)
    {
        try
        {
            await SetAsync(secrets, passphrase);
            return true;
        }
        catch (VmCryptException)
        {
            // The first failure says what is wrong; with both slots the disk opens, whatever the secret is.
            return false;
        }
    }

    private static async ValueTask EraseIfFilledAsync(LuksNode node, RunningHeader header, int slot)
    {
        try
        {
            if (await header.IsActiveAsync(slot))
            {
                await node.EraseAsync(slot);
                await node.FlushAsync(CancellationToken.None);
            }
        }
        catch (VmCryptException)
        {
            // The first failure says what is wrong; the slot opens with the new passphrase only, which nobody but the caller has.
        }
    }
}
