using VmCrypt.Commands.Host;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>What is to be said of disks that are just made.</summary>
internal static class NewImages
{
    /// <summary>A new disk is opened as what it is, not as what its content looks like.</summary>
    public static DiskOpenOptions OpenOptions(DiskTarget target, NewDisk plan) => new()
    {
        Format = plan is { Format: ImageFormat.Raw, Encryption: not null } && target.HeaderPath is null ? ImageFormat.Luks : plan.Format,
        HeaderPath = target.HeaderPath,
    };

    public static bool IsForQemu(NewDisk plan) => IsForQemu(plan.Encryption?.Version);

    public static bool IsForQemu(LuksVersion? version) => version != LuksVersion.Luks2;

    /// <summary>Says who cannot open the disk.</summary>
    public static void WarnOfReaders(NewDisk plan, ICommandHost shell) => WarnOfReaders(plan.Encryption?.Version, shell);

    /// <inheritdoc cref="WarnOfReaders(NewDisk, ICommandHost)"/>
    public static void WarnOfReaders(LuksVersion? version, ICommandHost shell)
    {
        if (!IsForQemu(version))
        {
            shell.WriteWarning("QEMU and libvirt cannot open LUKS2; serve the disk to them with Unlock-Image.");
        }
    }
}
