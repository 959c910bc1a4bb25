namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A connection behind its TLS handshake.</summary>
/// <param name="Stream">Protected; one thread may read it while another writes.</param>
/// <param name="Identity">Who the peer proved to be, as an authorisation names it; null where that was not asked.</param>
internal sealed record TlsSession(Stream Stream, string? Identity);
