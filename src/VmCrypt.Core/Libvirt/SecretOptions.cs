namespace VmCrypt.Core.Libvirt;

/// <summary>What a secret may have besides its usage.</summary>
public sealed record SecretOptions
{
    /// <summary>libvirt makes one up where it is null, a different one on every host.</summary>
    public Guid? Uuid { get; init; }

    public string? Description { get; init; }

    /// <summary>Kept in memory only: whoever manages the key sets it again after each start of the daemon.</summary>
    public bool IsEphemeral { get; init; }

    /// <summary>The value can be set and used, but never read back.</summary>
    public bool IsPrivate { get; init; }
}
