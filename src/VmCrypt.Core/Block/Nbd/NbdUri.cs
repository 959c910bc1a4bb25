using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>An NBD URI: <c>nbd://host:port/export</c> or <c>nbd+unix:///export?socket=/path</c>, with TLS <c>nbds</c> for <c>nbd</c>.</summary>
/// <remarks>
/// As the NBD project's doc/uri.md has it: the export name is the path without its first slash, percent-decoded, and may be empty;
/// parameters that we do not know are refused, because ignoring one (a TLS setting, say) could mean less protection than was asked for.
/// Those of TLS are libnbd's: <c>tls-certificates</c> (a folder), <c>tls-hostname</c>, <c>tls-verify-peer</c>; or <c>tls-psk-file</c>,
/// with the user before the host (<c>nbds://user@host</c>).
/// </remarks>
public sealed record NbdUri(NbdAddress Address, string Export = "")
{
    /// <summary>The port that IANA gave to NBD.</summary>
    public const int DefaultPort = 10809;

    private const string Tcp = "nbd";
    private const string Unix = "nbd+unix";
    private const string TlsTcp = "nbds";
    private const string TlsUnix = "nbds+unix";

    /// <summary>Free text, not a path; empty for the server's default.</summary>
    public string Export { get; } = NbdText.IsValid(Export)
        ? Export
        : throw new InvalidInputException(ErrorIds.NbdUriInvalid,
            $"An NBD export's name has no NUL, no half characters and at most {NbdLimits.MaxString} bytes.");

    /// <summary>Null for a connection in clear.</summary>
    public NbdTls? Tls { get; init; }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NbdUriInvalid"/>.</exception>
    public static NbdUri Parse(string text)
    {
        if (text.Contains('#', StringComparison.Ordinal))
        {
            throw Invalid(text, "a fragment has no meaning there");
        }

        int end = text.IndexOf("://", StringComparison.Ordinal);
        string scheme = end < 0 ? string.Empty : text[..end].ToLowerInvariant();
        return scheme switch
        {
            Tcp or TlsTcp => ParseTcp(text, Split(text, end + 3), scheme == TlsTcp),
            Unix or TlsUnix => ParseUnix(text, Split(text, end + 3), scheme == TlsUnix),
            _ => throw Invalid(text, "write nbd://host:port/export or nbd+unix:///export?socket=/path, or nbds for TLS"),
        };
    }

    /// <summary>Whether a text means such a URI, and not a file.</summary>
    public static bool IsMeant(string text) =>
        ((string[])[Tcp, Unix, TlsTcp, TlsUnix]).Any(scheme => text.StartsWith($"{scheme}:", StringComparison.OrdinalIgnoreCase));

    public override string ToString()
    {
        string? user = Tls?.UserName is { } name ? $"{Uri.EscapeDataString(name)}@" : null;
        (string authority, string? socket) = Address switch
        {
            NbdAddress.Tcp tcp => ($"{(Tls is null ? Tcp : TlsTcp)}://{user}{tcp}", null),
            NbdAddress.Unix unix => ($"{(Tls is null ? Unix : TlsUnix)}://{user}", unix.Path),
            _ => throw new InvalidOperationException("The kinds of address are the two above."),
        };
        string query = string.Join('&', new NbdUriQuery(Tls, socket).Pairs.Select(pair => $"{pair.Key}={Escape(pair.Value)}"));
        return $"{authority}/{Escape(Export)}{(query.Length > 0 ? "?" : null)}{query}";
    }

    private static NbdUri ParseTcp(string text, (string Authority, string Path, string Query) parts, bool tls)
    {
        (string? user, string host) = SplitUser(text, parts.Authority);

        // Uri knows the shapes of hosts (names, IPv4, bracketed IPv6); the path and query are ours because it would normalise them.
        if (host.Contains('@', StringComparison.Ordinal)
            || !Uri.TryCreate($"nbd://{host}/", UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0 || uri.Port == 0)
        {
            throw Invalid(text, "its host or port cannot be used");
        }

        NbdUriQuery query = ParseQuery(text, parts.Query, tls, user);
        return query.Socket is null
            ? new NbdUri(new NbdAddress.Tcp(uri.DnsSafeHost, uri.Port < 0 ? DefaultPort : uri.Port), Unescape(text, parts.Path)) { Tls = query.Tls }
            : throw Invalid(text, "a TCP address takes no socket");
    }

    private static NbdUri ParseUnix(string text, (string Authority, string Path, string Query) parts, bool tls)
    {
        (string? user, string host) = SplitUser(text, parts.Authority);
        if (host.Length > 0)
        {
            throw Invalid(text, "a Unix socket has no host; write three slashes");
        }

        NbdUriQuery query = ParseQuery(text, parts.Query, tls, user);
        return string.IsNullOrEmpty(query.Socket)
            ? throw Invalid(text, "the parameter 'socket' is missing")
            : new NbdUri(new NbdAddress.Unix(query.Socket), Unescape(text, parts.Path)) { Tls = query.Tls };
    }

    private static NbdUriQuery ParseQuery(string text, string query, bool tls, string? user)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string parameter in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = parameter.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || !pairs.TryAdd(parameter[..equals], Unescape(text, parameter[(equals + 1)..])))
            {
                throw Invalid(text, $"its parameter '{parameter}' has no value, or comes twice");
            }
        }

        if (!NbdUriQuery.TryParse(pairs, tls, out NbdUriQuery parsed, out string why))
        {
            throw Invalid(text, why);
        }

        return user is null ? parsed
            : parsed.Tls?.PskFile is not null ? parsed with { Tls = parsed.Tls with { UserName = user } }
            : throw Invalid(text, "a user goes with nbds and tls-psk-file");
    }

    private static (string? User, string Host) SplitUser(string text, string authority)
    {
        int at = authority.IndexOf('@', StringComparison.Ordinal);
        return at switch
        {
            < 0 => (null, authority),
            0 => throw Invalid(text, "the user before '@' is empty"),
            _ => (Unescape(text, authority[..at]), authority[(at + 1)..]),
        };
    }

    private static (string Authority, string Path, string Query) Split(string text, int start)
    {
        string rest = text[start..];
        int question = rest.IndexOf('?', StringComparison.Ordinal);
        string query = question < 0 ? string.Empty : rest[(question + 1)..];
        rest = question < 0 ? rest : rest[..question];
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (rest, string.Empty, query) : (rest[..slash], rest[(slash + 1)..], query);
    }

    private static string Escape(string text) => Uri.EscapeDataString(text).Replace("%2F", "/", StringComparison.Ordinal);

    private static string Unescape(string text, string part)
    {
        for (int at = part.IndexOf('%', StringComparison.Ordinal); at >= 0; at = part.IndexOf('%', at + 1))
        {
            if (!Uri.IsHexEncoding(part, at))
            {
                throw Invalid(text, "a '%' is not followed by two hexadecimal digits");
            }
        }

        return Uri.UnescapeDataString(part);
    }

    private static InvalidInputException Invalid(string text, string why) =>
        new(ErrorIds.NbdUriInvalid, $"'{text}' is not an NBD URI: {why}.");
}
