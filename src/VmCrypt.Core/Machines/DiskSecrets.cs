using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Machines;

/// <summary>The secrets of libvirt that a domain opens a disk with, which follow the disk's passphrase.</summary>
/// <remarks>Set while both passphrases open the disk, so that the domain starts whichever of them a crash leaves here.</remarks>
internal sealed class DiskSecrets
{
    private readonly LibvirtSecrets _libvirt;
    private readonly LibvirtSecret[] _held;

    private DiskSecrets(LibvirtSecrets libvirt, LibvirtSecret[] held)
    {
        _libvirt = libvirt;
        _held = held;
    }

    /// <summary>Those that hold a passphrase. What libvirt keeps to itself (private) is taken for it.</summary>
    /// <param name="current">Borrowed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LibvirtSecretShared"/>.</exception>
    public static async ValueTask<DiskSecrets> FindAsync(string connectUri, string vm, string path, SecretBuffer current, CancellationToken cancellationToken)
    {
        var vms = new LibvirtVms(connectUri);
        var libvirt = new LibvirtSecrets(connectUri);
        SecretReference[] named = [.. (await vms.DefinitionsAsync(vm, cancellationToken))
            .SelectMany(domain => domain.Images).Where(image => IsAt(image, path)).SelectMany(image => image.Secrets)];
        var held = new List<LibvirtSecret>();
        foreach (LibvirtSecret secret in named.Length == 0 ? [] : await libvirt.ListAsync(cancellationToken))
        {
            if (named.Any(reference => secret.IsMeantBy(reference, SecretUsage.Volume)) && await HoldsAsync(libvirt, secret, current, cancellationToken))
            {
                held.Add(secret);
            }
        }

        if (held.Count > 0)
        {
            await RequireOwnAsync(vms, held, path, cancellationToken);
        }

        return new DiskSecrets(libvirt, [.. held]);
    }

    /// <param name="passphrase">Borrowed.</param>
    public async ValueTask SetAsync(SecretBuffer passphrase)
    {
        foreach (LibvirtSecret secret in _held)
        {
            await _libvirt.SetValueAsync(secret.Uuid, passphrase, CancellationToken.None);
        }
    }

    private static async Task<bool> HoldsAsync(LibvirtSecrets libvirt, LibvirtSecret secret, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        if (secret.IsPrivate)
        {
            return true;
        }

        using SecretBuffer? value = await libvirt.ValueAsync(secret.Uuid, cancellationToken);
        return value?.FixedTimeEquals(passphrase.Span) == true;
    }

    // A copied domain has the secrets of the one that it was copied from.
    private static async Task RequireOwnAsync(LibvirtVms vms, List<LibvirtSecret> secrets, string path, CancellationToken cancellationToken)
    {
        foreach (string name in await vms.NamesAsync(cancellationToken))
        {
            foreach (DiskImage image in (await DefinitionsAsync(vms, name, cancellationToken)).SelectMany(domain => domain.Images).Where(image => !IsAt(image, path)))
            {
                if (secrets.Find(secret => image.Secrets.Any(reference => secret.IsMeantBy(reference, SecretUsage.Volume))) is { } shared)
                {
                    throw new RefusedException(ErrorIds.LibvirtSecretShared,
                        $"libvirt opens {path} by the secret {shared.Uuid}, and {image.Source} of {name} too, which would not open any more: give the disk a secret of its own, or keep the secret as it is and see to it.");
                }
            }
        }
    }

    private static async Task<DomainDefinition[]> DefinitionsAsync(LibvirtVms vms, string vm, CancellationToken cancellationToken)
    {
        try
        {
            return await vms.DefinitionsAsync(vm, cancellationToken);
        }
        catch (MissingException gone) when (gone.ErrorId == ErrorIds.VmMissing)
        {
            return [];
        }
    }

    private static bool IsAt(DiskImage image, string path) => image.Source is FileSource or BlockSource && LuksNode.IsSameFile(image.Source.ToString()!, path);
}
