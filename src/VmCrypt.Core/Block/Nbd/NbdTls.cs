namespace VmCrypt.Core.Block.Nbd;

/// <summary>How a client uses TLS; without any of these the system's authorities vouch for the server and the client stays unnamed.</summary>
public sealed record NbdTls
{
    /// <summary>A folder with ca-cert.pem, ca-crl.pem if any, and client-cert.pem with client-key.pem if any.</summary>
    public string? Certificates { get; init; }

    /// <summary>A file of keys that users share with servers, instead of certificates.</summary>
    public string? PskFile { get; init; }

    /// <summary>Whose key of <see cref="PskFile"/>; null for the user of this process.</summary>
    public string? UserName { get; init; }

    /// <summary>The name that the server's certificate must have; null for the host of the address.</summary>
    public string? HostName { get; init; }

    /// <summary>False believes whatever certificate the server shows.</summary>
    public bool VerifyPeer { get; init; } = true;
}
