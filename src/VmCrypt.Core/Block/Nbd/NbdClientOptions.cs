namespace VmCrypt.Core.Block.Nbd;

/// <summary>How an export of another NBD server is opened as a device.</summary>
public sealed record NbdClientOptions
{
    public static NbdClientOptions Default { get; } = new();

    /// <summary>Open read-only even where the server would let us write.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Most connections to open; more than one only where the server says that its clients see each other's writes (CAN_MULTI_CONN).</summary>
    public int MaxConnections { get; init; } = 4;

    /// <summary>For connecting and the handshake, each connection on its own.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
}
