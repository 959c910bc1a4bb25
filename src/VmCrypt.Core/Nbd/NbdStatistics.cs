namespace VmCrypt.Core.Nbd;

/// <summary>Counted since the start; bytes are those of successful requests.</summary>
public readonly record struct NbdStatistics(long Requests, long Errors, long BytesRead, long BytesWritten, long BytesZeroed)
{
    public static NbdStatistics operator +(NbdStatistics left, NbdStatistics right) => new(
        left.Requests + right.Requests,
        left.Errors + right.Errors,
        left.BytesRead + right.BytesRead,
        left.BytesWritten + right.BytesWritten,
        left.BytesZeroed + right.BytesZeroed);
}

/// <summary>One connection.</summary>
/// <param name="Peer">Address and port of a TCP client; empty for a Unix socket.</param>
/// <param name="Export">Null until the client has chosen one.</param>
public sealed record NbdClientInfo(int Id, string Peer, string? Export, DateTimeOffset ConnectedAt, NbdStatistics Statistics)
{
    /// <summary>Who the client proved to be in its TLS handshake: its certificate's subject as QEMU spells it; null where nobody asked.</summary>
    public string? Identity { get; init; }
}
