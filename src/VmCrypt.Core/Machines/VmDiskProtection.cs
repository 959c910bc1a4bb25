using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Machines;

/// <summary>Replaces a stopped domain's plain disk by an encrypted copy, and takes that back.</summary>
/// <remarks>
/// The steps, and what the domain starts from when we stop after each:
/// <list type="number">
/// <item>the intent is recorded in the configuration folder — the old disk;</item>
/// <item>the copy is built under a temporary name and renamed — the old disk;</item>
/// <item>every byte of the copy is read back and compared, and both files' stamps are recorded — the old disk;</item>
/// <item>the secret is defined and given its value — the old disk;</item>
/// <item>the domain's definition is changed, which libvirt does atomically — the encrypted disk;</item>
/// <item>the record says so — the encrypted disk.</item>
/// </list>
/// Until the end we hold the old disk's writer lock, so that no VM can start from it and write what the copy lacks. After a stop the
/// same call goes on where it was, and <see cref="UndoAsync"/> goes back. The old disk is never touched.
/// </remarks>
public sealed class VmDiskProtection(string connectUri, ConfigurationFolder folder)
{
    private readonly LibvirtVms _vms = new(connectUri);
    private readonly LibvirtSecrets _secrets = new(connectUri);
    private readonly JsonStore<ProtectedDiskTable> _records = new(folder, "protected-disks.json", ProtectedDiskJson.Default.ProtectedDiskTable);

    /// <summary>Called after each step; tests stop there.</summary>
    internal Action<ProtectionStep> After { get; init; } = _ => { };

    /// <summary>The disks of this host that were replaced, or are being.</summary>
    public async Task<IReadOnlyList<ProtectedDisk>> ListAsync(CancellationToken cancellationToken) => (await _records.ReadAsync(cancellationToken)).Disks;

    /// <summary>Does it, or goes on with it.</summary>
    /// <param name="passphrase">Of the copy's first key slot, and libvirt's secret; borrowed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.VmRunning"/>, <see cref="ErrorIds.VmDiskProtected"/>, <see cref="ErrorIds.VmDiskUnfit"/>, <see cref="ErrorIds.FileExists"/>.</exception>
    /// <exception cref="DeviceBusyException">Somebody has the old disk open.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.CopyNotProven"/>.</exception>
    public async Task<ProtectedDisk> ProtectAsync(
        string vm, string target, ProtectionPlan plan, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        DomainDefinition domain = await StoppedAsync(vm, cancellationToken);
        ProtectedDisk? begun = await FindAsync(domain, target, cancellationToken);
        ProtectedDisk disk = begun ?? Begin(domain, target, plan);
        await using DiskStack old = await OpenOldAsync(domain.Disk(target), disk, plan, cancellationToken);
        await RecordAsync(disk, cancellationToken);
        After(ProtectionStep.Recorded);

        if (disk.State < ProtectionState.Copied || disk.Stamp != FileStamp.Of(disk.Path) || disk.OldStamp != FileStamp.Of(disk.OldPath))
        {
            disk = await CopyAsync(old, disk, plan, passphrase, progress, cancellationToken);
        }
        else
        {
            // Proven earlier; the passphrase is a new one.
            await using DiskStack copied = (await OpenCopyAsync(disk, passphrase, cancellationToken)).Stack;
        }

        var definition = new SecretDefinition(SecretUsage.Volume, disk.Path, new SecretOptions { Uuid = disk.SecretUuid, IsPrivate = true, Description = $"Disk {target} of {domain.Name}" });
        await _secrets.RegisterAsync(definition, passphrase, replace: begun is not null, cancellationToken);
        After(ProtectionStep.SecretSet);

        ImageDescription copy = await ImageInspector.DescribeAsync(DiskLocation.Parse(disk.Path), DiskOpenOptions.Default, cancellationToken);
        await _vms.SwitchDiskAsync(domain, target, copy.ToDisk(_ => SecretReference.To(disk.SecretUuid)), cancellationToken);
        After(ProtectionStep.Switched);

        disk = disk with { State = ProtectionState.Switched };
        await RecordAsync(disk, cancellationToken);
        After(ProtectionStep.Done);
        return disk;
    }

    /// <summary>Makes the domain start from its old disk again, forgets the secret and removes the copy, however far it had come.</summary>
    /// <param name="force">Even if the VM has written the encrypted disk since: what it wrote is lost.</param>
    /// <remarks>Definition, then secret, then file, then record: a crash after each leaves a domain that starts, and the same call goes on.</remarks>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmDiskNotProtected"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.VmRunning"/>, <see cref="ErrorIds.VmDiskChanged"/>.</exception>
    public async Task<ProtectedDisk> UndoAsync(string vm, string target, bool force, CancellationToken cancellationToken)
    {
        DomainDefinition domain = await StoppedAsync(vm, cancellationToken);
        ProtectedDisk disk = await FindAsync(domain, target, cancellationToken)
            ?? throw new MissingException(ErrorIds.VmDiskNotProtected, $"The disk {target} of {domain.Name} was not encrypted by Protect-VmDisk, so there is nothing to go back to.");
        if (IsSwitched(domain, disk))
        {
            RequireWayBack(disk, force);
            await _vms.RestoreDiskAsync(domain, disk.OldXml, cancellationToken);
        }

        After(ProtectionStep.Switched);
        await ForgetSecretAsync(disk, cancellationToken);
        After(ProtectionStep.SecretSet);
        File.Delete(disk.Path);
        After(ProtectionStep.Copied);
        await _records.UpdateAsync(table => table with { Disks = [.. table.Disks.Where(other => !Same(other, disk))] }, cancellationToken);
        return disk;
    }

    private static bool Same(ProtectedDisk one, ProtectedDisk other) => one.VmUuid == other.VmUuid && one.Target == other.Target && one.ConnectUri == other.ConnectUri;

    private static bool IsSwitched(DomainDefinition domain, ProtectedDisk disk) => domain.Disk(disk.Target).Image.Source?.ToString() == disk.Path;

    private async Task<DomainDefinition> StoppedAsync(string vm, CancellationToken cancellationToken)
    {
        DomainDefinition domain = await _vms.DomainAsync(vm, inactive: false, cancellationToken);
        return domain.IsRunning || await _vms.HasSavedStateAsync(vm, cancellationToken)
            ? throw new RefusedException(ErrorIds.VmRunning, $"The domain {domain.Name} runs, or sleeps in a saved state; shut it down first.")
            : domain;
    }

    // A record of a disk that has since become another one is of no use to anybody.
    private async Task<ProtectedDisk?> FindAsync(DomainDefinition domain, string target, CancellationToken cancellationToken)
    {
        string? source = domain.Disk(target).Image.Source?.ToString();
        return (await ListAsync(cancellationToken)).FirstOrDefault(disk =>
            disk.VmUuid == domain.Uuid && disk.Target == target && disk.ConnectUri == connectUri && (source == disk.Path || source == disk.OldPath));
    }

    private ProtectedDisk Begin(DomainDefinition domain, string target, ProtectionPlan plan)
    {
        DiskDefinition definition = domain.Disk(target);
        if (definition.Image.Source is not ((FileSource or BlockSource) and { Encryption: null } source) || plan.Destination?.IsNbd == true)
        {
            throw new RefusedException(ErrorIds.VmDiskUnfit, $"The disk {definition} of {domain.Name} is no plain file or device of this host, or its copy would be none.");
        }

        string old = source.ToString()!;
        string path = plan.Destination?.Text ?? Path.ChangeExtension(old, $".luks.{plan.DiskOf(1).Format.ToString().ToLowerInvariant()}");

        if (plan.DiskOf(1) is not { Over: false, Encryption: { Version: LuksVersion.Luks1 } })
        {
            throw new UnsupportedFeatureException(ErrorIds.LibvirtInexpressible, "A VM starts from LUKS1 in front of a raw disk or inside qcow2: QEMU reads nothing else.");
        }

        return Path.Exists(path)
            ? throw new RefusedException(ErrorIds.FileExists, $"The copy was to be {path}, which exists.")
            : new ProtectedDisk
            {
                VmName = domain.Name,
                VmUuid = domain.Uuid!.Value,
                Target = target,
                ConnectUri = connectUri,
                OldPath = old,
                OldXml = domain.DiskXml(target),
                Path = path,
                SecretUuid = Guid.NewGuid(),
            };
    }

    // Written to by nobody while we hold it: opening for writing takes the lock that QEMU's own opening asks for.
    private static async Task<DiskStack> OpenOldAsync(DiskDefinition definition, ProtectedDisk disk, ProtectionPlan plan, CancellationToken cancellationToken)
    {
        if (definition.Image.Source?.ToString() != disk.OldPath)
        {
            throw new RefusedException(ErrorIds.VmDiskProtected, $"The disk {disk.Target} of {disk.VmName} is encrypted already; its old disk is {disk.OldPath}.");
        }

        DiskStack old = await DiskStack.OpenAsync(DiskLocation.Parse(disk.OldPath), new DiskOpenOptions
        {
            Writable = true,
            Format = definition.Image.Format == "qcow2" ? ImageFormat.Qcow2 : ImageFormat.Raw,
            PayloadFormat = ImageFormat.Raw,
            References = plan.References,
        }, cancellationToken);
        if (definition.Image.Format is "raw" or "qcow2" && !old.NeedsKey && old.Qcow2?.Snapshots.Any() != true)
        {
            return old;
        }

        await old.DisposeAsync();
        throw new RefusedException(ErrorIds.VmDiskUnfit,
            $"The disk {disk.OldPath} is encrypted, has internal snapshots, which a copy would lose, or is of the format {definition.Image.Format}; raw and qcow2 are taken.");
    }

    private async Task<ProtectedDisk> CopyAsync(
        DiskStack old, ProtectedDisk disk, ProtectionPlan plan, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using var none = new DiskKeys();
        IBlockDevice source = await old.UnlockAsync(none, cancellationToken);
        var target = new DiskTarget { Location = DiskLocation.Parse(disk.Path), Replace = true };
        NewDisk newDisk = plan.DiskOf(source.Length);
        await ImageConversion.ConvertAsync(source, target, newDisk, passphrase, plan.Copying, progress, cancellationToken);
        FileOwnership.Copy(disk.OldPath, disk.Path);
        After(ProtectionStep.Copied);

        (DiskStack copy, IBlockDevice plain) = await OpenCopyAsync(disk, passphrase, cancellationToken);
        await using (copy)
        {
            if (await DeviceComparison.FirstDifferenceAsync(source, plain, progress, cancellationToken) is { } offset)
            {
                throw new DeviceFaultException(ErrorIds.CopyNotProven, $"The copy {disk.Path} differs from {disk.OldPath} at byte {offset}; the VM keeps its old disk.");
            }
        }

        disk = disk with { State = ProtectionState.Copied, Stamp = FileStamp.Of(disk.Path), OldStamp = FileStamp.Of(disk.OldPath) };
        await RecordAsync(disk, cancellationToken);
        After(ProtectionStep.Proven);
        return disk;
    }

    private static async Task<(DiskStack Stack, IBlockDevice Plain)> OpenCopyAsync(ProtectedDisk disk, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        using var keys = new DiskKeys(passphrase.Copy());
        DiskStack copy = await DiskStack.OpenAsync(DiskLocation.Parse(disk.Path), DiskOpenOptions.Default, cancellationToken);
        try
        {
            return (copy, await copy.UnlockAsync(keys, cancellationToken));
        }
        catch
        {
            await copy.DisposeAsync();
            throw;
        }
    }

    private Task<ProtectedDiskTable> RecordAsync(ProtectedDisk disk, CancellationToken cancellationToken) => _records.UpdateAsync(
        table => table with { Disks = [.. table.Disks.Where(other => !Same(other, disk)), disk] }, cancellationToken);

    private static void RequireWayBack(ProtectedDisk disk, bool force)
    {
        if (FileStamp.Of(disk.OldPath) != disk.OldStamp)
        {
            throw new RefusedException(ErrorIds.VmDiskChanged, $"The old disk {disk.OldPath} is gone, or was changed since it was copied: there is no way back.");
        }

        if (!force && FileStamp.Of(disk.Path) != disk.Stamp)
        {
            throw new RefusedException(ErrorIds.VmDiskChanged, $"The VM has written {disk.Path} since; to lose that must be asked for.");
        }
    }

    private async Task ForgetSecretAsync(ProtectedDisk disk, CancellationToken cancellationToken)
    {
        try
        {
            await _secrets.UnregisterAsync(disk.SecretUuid, cancellationToken);
        }
        catch (MissingException missing) when (missing.ErrorId == ErrorIds.LibvirtSecretMissing)
        {
            // It had not come so far.
        }
    }
}
