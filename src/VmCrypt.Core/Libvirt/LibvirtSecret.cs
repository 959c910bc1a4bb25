namespace VmCrypt.Core.Libvirt;

/// <summary>A secret that libvirt keeps; its value is not shown.</summary>
/// <param name="Name">The volume's path, or the name by which a definition asks for it.</param>
/// <param name="ConnectUri">The libvirt that keeps it.</param>
public sealed record LibvirtSecret(Guid Uuid, SecretUsage Usage, string Name, string? Description, bool IsEphemeral, bool IsPrivate, string ConnectUri)
{
    /// <summary>Whether a definition that wants a secret of a usage means this one.</summary>
    internal bool IsMeantBy(SecretReference reference, SecretUsage usage) =>
        reference.Uuid is { } uuid ? Uuid == uuid : Usage == usage && Name == reference.Usage;
}
