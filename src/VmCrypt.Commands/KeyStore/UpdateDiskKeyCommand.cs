using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Replaces stored secrets of disks, in their key slots and in the key store.</summary>
[Cmdlet(VerbsData.Update, "DiskKey", SupportsShouldProcess = true)]
[OutputType(typeof(DiskKey))]
public sealed class UpdateDiskKeyCommand : DiskKeyCmdlet, IDynamicParameters
{
    private readonly KdfParameters _kdf = new();
    private SecretBuffer? _given;

    /// <summary>The new passphrase, the same for all disks; a random one for each without it.</summary>
    [Parameter]
    public SecureString? NewPassphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NewKeyFile { get; set; }

    /// <summary>The libvirt whose domain may have the disk open; null for this host's.</summary>
    [Parameter]
    public string? ConnectUri { get; set; }

    /// <summary>The QMP socket of the QEMU that has the disk open: unix:PATH or tcp:HOST:PORT.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? QmpSocket { get; set; }

    /// <summary>The secret that libvirt opens the disk of a running VM with stays as it is.</summary>
    [Parameter]
    public SwitchParameter KeepLibvirtSecret { get; set; }

    public object GetDynamicParameters() => _kdf;

    private protected override void ProcessKey(DiskKey key)
    {
        if (!Shell.ShouldProcess(key.Path, $"Replace the stored secret{(key.Slot is { } slot ? $" and that of key slot {slot}" : string.Empty)}"))
        {
            return;
        }

        using SecretBuffer replacement = Replacement();
        KdfCost cost = _kdf.Cost;
        Shell.WriteObject(new DiskKey(Run(token => new ValueTask<DiskKeyEntry>(
            Ring.RotateAsync(key.Entry, replacement, cost, (current, added, stop) => ChangeAsync(key, current, added, stop), token)))));
    }

    protected override void Dispose(bool disposing)
    {
        _given?.Dispose();
        base.Dispose(disposing);
    }

    // Where a VM has the disk open, its QEMU changes the slot.
    private async ValueTask<KeySlotChange> ChangeAsync(DiskKey key, DiskKeys current, NewKeySlot added, CancellationToken cancellationToken)
    {
        var location = DiskLocation.Parse(key.Path);
        var options = new DiskOpenOptions { HeaderPath = key.DetachedHeader };
        var disk = new RunningDisk(location, options) { KeepsSecret = KeepLibvirtSecret };
        (KeySlotChange change, _) = await new RunningVm(key.Vm, ConnectUri, QmpSocket).ChangeAsync(
            () => KeyRotation.ChangeAsync(location, options, current, added, cancellationToken),
            slots => slots.ChangeAsync(disk, current, added, cancellationToken),
            cancellationToken);
        return change;
    }

    private SecretBuffer Replacement()
    {
        if (NewPassphrase is null && NewKeyFile is null)
        {
            return RecoveryKey.Create();
        }

        if (_given is null)
        {
            var source = new SecretSource { Passphrase = NewPassphrase, KeyFile = NewKeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(NewKeyFile), Offset: 0, Size: null) };
            _given = SecretPrompts.RequireNew(Shell, source.Read(), "New passphrase", fromFile: NewKeyFile is not null, forQemu: true);
        }

        return _given.Copy();
    }
}
