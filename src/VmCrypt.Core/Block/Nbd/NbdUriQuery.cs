namespace VmCrypt.Core.Block.Nbd;

/// <summary>The parameters of an NBD URI.</summary>
/// <param name="Tls">Null for a scheme without TLS.</param>
/// <param name="Socket">Null for TCP.</param>
internal readonly record struct NbdUriQuery(NbdTls? Tls, string? Socket)
{
    private const string SocketKey = "socket";
    private const string CertificatesKey = "tls-certificates";
    private const string PskFileKey = "tls-psk-file";
    private const string HostNameKey = "tls-hostname";
    private const string VerifyPeerKey = "tls-verify-peer";

    /// <summary>As they stand in the URI, those of the default left out.</summary>
    public IEnumerable<KeyValuePair<string, string>> Pairs =>
        new[]
        {
            KeyValuePair.Create(SocketKey, Socket),
            KeyValuePair.Create(CertificatesKey, Tls?.Certificates),
            KeyValuePair.Create(PskFileKey, Tls?.PskFile),
            KeyValuePair.Create(HostNameKey, Tls?.HostName),
            KeyValuePair.Create(VerifyPeerKey, Tls is { VerifyPeer: false } ? "0" : null),
        }
        .Where(pair => pair.Value is not null)!;

    public static bool TryParse(IReadOnlyDictionary<string, string> pairs, bool tls, out NbdUriQuery query, out string why)
    {
        query = default;
        string? unknown = pairs.Keys.FirstOrDefault(key => key is not (SocketKey or CertificatesKey or PskFileKey or HostNameKey or VerifyPeerKey));
        string? withoutTls = tls ? null : pairs.Keys.FirstOrDefault(key => key.StartsWith("tls-", StringComparison.Ordinal));
        string verify = pairs.GetValueOrDefault(VerifyPeerKey, "1");
        why = unknown is not null ? $"'{unknown}' is no parameter that we know"
            : withoutTls is not null ? $"'{withoutTls}' goes with the scheme nbds or nbds+unix"
            : pairs.ContainsKey(PskFileKey) && pairs.Keys.Any(key => key is CertificatesKey or HostNameKey or VerifyPeerKey) ? $"{PskFileKey} takes the place of certificates"
            : verify is not ("0" or "1") ? $"{VerifyPeerKey} is 0 or 1"
            : pairs.Values.Any(string.IsNullOrEmpty) ? "a parameter has no value"
            : string.Empty;
        if (why.Length > 0)
        {
            return false;
        }

        query = new NbdUriQuery(
            !tls ? null : new NbdTls
            {
                Certificates = pairs.GetValueOrDefault(CertificatesKey),
                PskFile = pairs.GetValueOrDefault(PskFileKey),
                HostName = pairs.GetValueOrDefault(HostNameKey),
                VerifyPeer = verify == "1",
            },
            pairs.GetValueOrDefault(SocketKey));
        return true;
    }
}
