using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Libvirt;

/// <summary>The VMs of one libvirt and their disks.</summary>
/// <param name="connectUri">Such as <c>qemu:///system</c> or <c>qemu+ssh://host/system</c>.</param>
public sealed class LibvirtVms(string connectUri)
{
    private readonly Virsh _virsh = new(connectUri);
    private readonly LibvirtSecrets _secrets = new(connectUri);

    /// <summary>The names of all domains, running or not.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(CancellationToken cancellationToken) =>
        (await _virsh.RunAsync(cancellationToken, "list", "--all", "--name")).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>A domain as it runs, or as it will start.</summary>
    /// <param name="vm">Its name or UUID.</param>
    /// <param name="inactive">As it will start, even where it runs.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmMissing"/>.</exception>
    public async Task<DomainDefinition> DomainAsync(string vm, bool inactive, CancellationToken cancellationToken)
    {
        string[] command = ["dumpxml", "--domain", vm];
        return DomainDefinition.Parse(await _virsh.RunAsync(cancellationToken, inactive ? [.. command, "--inactive"] : command));
    }

    /// <summary>A domain as it runs, if it does, and as it will start.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmMissing"/>.</exception>
    internal async Task<DomainDefinition[]> DefinitionsAsync(string vm, CancellationToken cancellationToken)
    {
        DomainDefinition now = await DomainAsync(vm, inactive: false, cancellationToken);
        return now.IsRunning ? [now, await DomainAsync(vm, inactive: true, cancellationToken)] : [now];
    }

    /// <summary>The disks of a domain, each with its image where this machine can look at it.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmMissing"/>.</exception>
    public async Task<IReadOnlyList<VmDisk>> DisksAsync(string vm, CancellationToken cancellationToken)
    {
        DomainDefinition domain = await DomainAsync(vm, inactive: false, cancellationToken);
        var disks = new List<VmDisk>();
        foreach (DiskDefinition disk in domain.Disks)
        {
            disks.Add(await DescribeAsync(domain, disk, cancellationToken));
        }

        return disks;
    }

    /// <summary>Gives a domain one more disk: at once where it runs, and for its next start.</summary>
    /// <param name="transient">Only as long as the domain runs.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.LibvirtSecretMissing"/>: a secret that the disk names is not registered.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LibvirtRefused"/>.</exception>
    public async Task<VmDisk> AddDiskAsync(string vm, DiskDefinition disk, bool transient, CancellationToken cancellationToken)
    {
        await RequireSecretsAsync(disk, cancellationToken);
        string[] scope = await ScopeAsync(vm, transient, cancellationToken);
        await _virsh.PipeAsync(disk.ToXml(), cancellationToken, ["attach-device", "--domain", vm, "--file", Virsh.Input, .. scope]);
        DomainDefinition domain = await DomainAsync(vm, inactive: false, cancellationToken);
        return await DescribeAsync(domain, domain.Disk(disk.Target), cancellationToken);
    }

    /// <summary>Takes a disk from a domain: at once where it runs, and for its next start.</summary>
    /// <returns>False where the guest has not let go of the disk yet; it goes when the guest answers, or stops.</returns>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmDiskMissing"/>.</exception>
    public async Task<bool> RemoveDiskAsync(string vm, string target, bool transient, CancellationToken cancellationToken)
    {
        DomainDefinition domain = await DomainAsync(vm, inactive: false, cancellationToken);
        string xml = domain.DiskXml(target);
        string[] scope = await ScopeAsync(vm, transient, cancellationToken);
        await _virsh.PipeAsync(xml, cancellationToken, ["detach-device", "--domain", vm, "--file", Virsh.Input, .. scope]);
        return (await DomainAsync(vm, inactive: false, cancellationToken)).Disks.All(disk => disk.Target != target);
    }

    /// <summary>Makes a stopped domain start with a disk of another image; one atomic change of its definition.</summary>
    internal Task SwitchDiskAsync(DomainDefinition domain, string target, DiskImage image, CancellationToken cancellationToken) =>
        RestoreDiskAsync(domain, domain.SwitchedDiskXml(target, image), cancellationToken);

    /// <summary>Makes a stopped domain start with a disk as it was; one atomic change of its definition.</summary>
    internal Task RestoreDiskAsync(DomainDefinition domain, string diskXml, CancellationToken cancellationToken) =>
        _virsh.PipeAsync(diskXml, cancellationToken, "update-device", "--domain", domain.Name, "--file", Virsh.Input, "--config");

    /// <summary>The domain's next start goes on with the memory of the last one, which knows its disks.</summary>
    internal async Task<bool> HasSavedStateAsync(string vm, CancellationToken cancellationToken) => await FactAsync(vm, "Managed save:", cancellationToken);

    private async Task RequireSecretsAsync(DiskDefinition disk, CancellationToken cancellationToken)
    {
        foreach (SecretReference secret in disk.Image.Chain.SelectMany(image => image.Secrets))
        {
            _ = await _secrets.FindAsync(secret, SecretUsage.Volume, cancellationToken) ?? throw new MissingException(ErrorIds.LibvirtSecretMissing,
                $"libvirt ({connectUri}) has no secret {secret.Uuid?.ToString("D") ?? $"for {secret.Usage}"}; give it one with Register-LibvirtSecret.");
        }
    }

    private async Task<string[]> ScopeAsync(string vm, bool transient, CancellationToken cancellationToken)
    {
        bool runs = (await DomainAsync(vm, inactive: false, cancellationToken)).IsRunning;
        bool persists = await FactAsync(vm, "Persistent:", cancellationToken);
        return (runs, Config: persists && !transient) switch
        {
            (true, true) => ["--live", "--config"],
            (true, false) => ["--live"],
            (false, true) => ["--config"],
            _ => throw new RefusedException(ErrorIds.LibvirtRefused, $"The domain {vm} does not run, so there is nothing to change until it stops."),
        };
    }

    private async Task<bool> FactAsync(string vm, string label, CancellationToken cancellationToken)
    {
        string facts = await _virsh.RunAsync(cancellationToken, "dominfo", "--domain", vm);
        return facts.Split('\n').Any(line => line.StartsWith(label, StringComparison.Ordinal) && line.TrimEnd().EndsWith("yes", StringComparison.Ordinal));
    }

    private async Task<VmDisk> DescribeAsync(DomainDefinition domain, DiskDefinition disk, CancellationToken cancellationToken)
    {
        string? path = disk.Image.Source?.ToString();
        var found = new VmDisk
        {
            VmName = domain.Name,
            VmUuid = domain.Uuid,
            IsRunning = domain.IsRunning,
            Target = disk.Target,
            Path = path,
            Definition = disk,
            ConnectUri = connectUri,
        };
        if (!_virsh.IsLocal || disk.Image.Source is not (FileSource or BlockSource))
        {
            return found;
        }

        try
        {
            ImageFormat? format = disk.Image.Format == "raw" ? ImageFormat.Raw : null;
            return found with { Image = await ImageInspector.DescribeAsync(DiskLocation.Parse(path!), format, ReferencePolicy.Default, cancellationToken) };
        }
        catch (VmCryptException trouble)
        {
            return found with { Trouble = trouble };
        }
    }
}
