using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Nbd.Authorization;

namespace VmCrypt.Core.Nbd;

/// <summary>Where and under which limits a server serves.</summary>
public sealed record NbdServerOptions
{
    /// <summary>At least one, or one of <see cref="Sockets"/>. A TCP address that others can reach needs <see cref="Tls"/> required, or <see cref="PlainForOthers"/>.</summary>
    public required IReadOnlyList<NbdAddress> Listen { get; init; }

    /// <summary>Listening sockets that somebody else opened (systemd); the server takes them. The same rules hold for them.</summary>
    public IReadOnlyList<Socket> Sockets { get; init; } = [];

    /// <summary>Anything but <see cref="NbdTlsMode.Off"/> needs <see cref="Credentials"/>.</summary>
    public NbdTlsMode Tls { get; init; }

    /// <summary>What the server proves itself with in TLS; the caller's to dispose, when the server has stopped.</summary>
    public TlsServerCredentials? Credentials { get; init; }

    /// <summary>Which clients may come in; needs <see cref="Tls"/> required and credentials that identify clients. Null lets all in that the credentials do.</summary>
    public NbdAuthorization? Authorization { get; init; }

    /// <summary>How often rules that may change are looked at for the sake of connected clients; a change counts at the second look.</summary>
    public TimeSpan AuthorizationInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Serves others than this machine in clear. They, and the network in between, read the plain disk.</summary>
    public bool PlainForOthers { get; init; }

    /// <summary>Further clients are turned away until one leaves.</summary>
    public int MaxConnections { get; init; } = 64;

    /// <summary>The same for the clients of one address (TCP); null for no limit of its own.</summary>
    public int? MaxConnectionsPerAddress { get; init; }

    /// <summary>Clients that have not chosen an export yet, beside those above; where there are more, the oldest of the address with most of them is dropped.</summary>
    public int MaxHandshakes { get; init; } = 64;

    /// <summary>Bytes that the requests of all clients together may hold, at least 64 MiB; further ones wait.</summary>
    public long MemoryLimit { get; init; } = 512L * 1024 * 1024;

    /// <summary>While requests wait for memory, a client that holds some and moves less than 1 MiB in so long is dropped.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A client that has not chosen an export by then is dropped.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a stop waits for running requests before it closes their connections.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told of every request that a device failed and of every client that broke the protocol; called from many threads, must not throw.</summary>
    public Action<NbdClientInfo, Exception>? OnFault { get; init; }

    /// <summary>Whether stopping the server disposes the devices.</summary>
    public bool OwnsDevices { get; init; }
}
