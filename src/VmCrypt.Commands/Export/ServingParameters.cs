using System.Management.Automation;
using System.Net;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Export;

/// <summary>What a command that serves disks over NBD has to know: where, and to whom.</summary>
public class ServingParameters
{
    /// <summary>The Unix socket to serve on.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Socket { get; set; }

    /// <summary>The address to serve on by TCP.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Address { get; set; }

    /// <summary>The TCP port; 0 takes a free one.</summary>
    [Parameter]
    [ValidateRange(0, 65535)]
    public int? Port { get; set; }

    [Parameter]
    public string ExportName { get; set; } = string.Empty;

    /// <summary>Required where credentials are given; off without.</summary>
    [Parameter]
    public NbdTlsMode? Tls { get; set; }

    /// <summary>The folder of server-cert.pem, server-key.pem, ca-cert.pem and ca-crl.pem.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? TlsCredentials { get; set; }

    /// <summary>Keys that clients share with the server, instead of certificates.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? TlsPskFile { get; set; }

    /// <summary>Clients need no certificate.</summary>
    [Parameter]
    public SwitchParameter NoVerifyPeer { get; set; }

    /// <summary>The clients that may come in, by their certificates' subjects.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? AuthorizationIdentity { get; set; }

    /// <summary>A file of rules as QEMU's authz-listfile takes them.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? AuthorizationList { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? AuthorizationPamService { get; set; }

    /// <summary>Further clients are turned away.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    public int MaxConnections { get; set; } = 64;

    /// <summary>The same for the clients of one address.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    public int? MaxConnectionsPerAddress { get; set; }

    /// <summary>Seconds that a client has to get through its handshake.</summary>
    [Parameter]
    [ValidateRange(1, 3600)]
    public int HandshakeTimeout { get; set; } = 10;

    // Those of systemd; whoever serves first takes them.
    private IReadOnlyList<System.Net.Sockets.Socket> _activated = [];

    internal bool IsAnyGiven => HasTcp || NoVerifyPeer || Tls is not null || MaxConnectionsPerAddress is not null
        || ((object?)Socket ?? TlsCredentials ?? TlsPskFile ?? AuthorizationIdentity ?? (object?)AuthorizationList ?? AuthorizationPamService) is not null;

    internal bool HasTcp => Address is not null || Port is not null;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>.</exception>
    internal void Require(bool serves)
    {
        _activated = serves ? ActivationSockets.Take() : [];
        if (_activated.Count > 0 && (HasTcp || Socket is not null))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "systemd has opened the sockets to serve on: leave out -Socket, -Address and -Port.");
        }

        bool hasCredentials = TlsCredentials is not null || TlsPskFile is not null;
        if (TlsCredentials is not null && TlsPskFile is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -TlsCredentials and -TlsPskFile.");
        }

        if (Tls is NbdTlsMode.On or NbdTlsMode.Require && !hasCredentials)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"-Tls {Tls} needs -TlsCredentials or -TlsPskFile.");
        }

        object?[] authorizations = [AuthorizationIdentity, AuthorizationList, AuthorizationPamService];
        if (authorizations.Count(given => given is not null) > 1)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -AuthorizationIdentity, -AuthorizationList and -AuthorizationPamService.");
        }

        if (TlsCredentials is null && NoVerifyPeer)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-NoVerifyPeer goes with -TlsCredentials.");
        }
    }

    /// <summary>The credentials in there are the caller's to dispose.</summary>
    internal NbdServerOptions ServerOptions(DiskLocation location, ICommandHost shell)
    {
        NbdTlsMode mode = Tls ?? (TlsCredentials is null && TlsPskFile is null ? NbdTlsMode.Off : NbdTlsMode.Require);
        IReadOnlyList<System.Net.Sockets.Socket> sockets = _activated;
        IReadOnlyList<NbdAddress> addresses = sockets.Count > 0 ? [] : [ListenAt(location, shell)];
        _activated = [];
        if (mode != NbdTlsMode.Require && Tls is not null && addresses.OfType<NbdAddress.Tcp>().FirstOrDefault(tcp => !IsLoopback(tcp.Host)) is { } tcp)
        {
            shell.WriteWarning($"Whoever reaches {tcp.Host} reads the plain disk, and so does the network in between.");
        }

        return new NbdServerOptions
        {
            Listen = addresses,
            Sockets = sockets,
            Tls = mode,
            PlainForOthers = Tls is not null,
            MaxConnections = MaxConnections,
            MaxConnectionsPerAddress = MaxConnectionsPerAddress,
            HandshakeTimeout = TimeSpan.FromSeconds(HandshakeTimeout),
            Authorization = Authorization(shell),
            Credentials = mode == NbdTlsMode.Off ? null : Credentials(shell),
        };
    }

    private TlsServerCredentials Credentials(ICommandHost shell) => TlsPskFile is { } keys
        ? TlsServerCredentials.FromPskFile(shell.ResolveNewPath(keys))
        : TlsServerCredentials.FromFolder(shell.ResolveNewPath(TlsCredentials!), !NoVerifyPeer);

    private NbdAuthorization? Authorization(ICommandHost shell) => this switch
    {
        { AuthorizationIdentity: { } identities } => NbdAuthorization.Identities(identities),
        { AuthorizationList: { } file } => NbdAuthorization.ListFile(shell.ResolveNewPath(file)),
        { AuthorizationPamService: { } service } => NbdAuthorization.Pam(service),
        _ => null,
    };

    private NbdAddress ListenAt(DiskLocation location, ICommandHost shell)
    {
        if (HasTcp || (Socket is null && OperatingSystem.IsWindows()))
        {
            return new NbdAddress.Tcp(Address ?? "127.0.0.1", Port ?? 0);
        }

        // A socket's path has about a hundred bytes, an image's name may have more.
        string image = string.Concat(System.IO.Path.GetFileName(location.Text).Where(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_').Take(40));
        string name = $"{image}-{Guid.NewGuid().ToString("N")[..8]}.sock";
        return new NbdAddress.Unix(Socket is null ? System.IO.Path.Combine(RuntimeFolder.Require(), name) : shell.ResolveNewPath(Socket));
    }

    private static bool IsLoopback(string host) => IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address);
}
