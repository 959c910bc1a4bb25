using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>Where and under which limits a server serves.</summary>
public sealed record NbdServerOptions
{
    /// <summary>At least one. A TCP address is as open as it says: give <c>127.0.0.1</c> unless others are meant to connect.</summary>
    public required IReadOnlyList<NbdAddress> Listen { get; init; }

    /// <summary>Further clients are turned away until one leaves.</summary>
    public int MaxConnections { get; init; } = 64;

    /// <summary>A client that has not chosen an export by then is dropped.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a stop waits for running requests before it closes their connections.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told of every request that a device failed and of every client that broke the protocol; called from many threads, must not throw.</summary>
    public Action<NbdClientInfo, Exception>? OnFault { get; init; }

    /// <summary>Whether stopping the server disposes the devices.</summary>
    public bool OwnsDevices { get; init; }
}
