namespace VmCrypt.Commands.Libvirt;

/// <summary>What the commands on libvirt have in common.</summary>
internal static class LibvirtParameter
{
    /// <summary>The host's own hypervisor, as root uses it.</summary>
    public const string DefaultConnectUri = "qemu:///system";
}
