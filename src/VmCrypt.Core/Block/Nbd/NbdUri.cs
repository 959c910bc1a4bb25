using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>An NBD URI: <c>nbd://host:port/export</c> or <c>nbd+unix:///export?socket=/path</c>.</summary>
/// <remarks>
/// As the NBD project's doc/uri.md has it: the export name is the path without its first slash, percent-decoded, and may be empty;
/// parameters that we do not know are refused, because ignoring one (a TLS setting, say) could mean less protection than was asked for.
/// </remarks>
public sealed record NbdUri(NbdAddress Address, string Export = "")
{
    /// <summary>The port that IANA gave to NBD.</summary>
    public const int DefaultPort = 10809;

    private const string Tcp = "nbd://";
    private const string Unix = "nbd+unix://";

    /// <summary>Free text, not a path; empty for the server's default.</summary>
    public string Export { get; } = NbdText.IsValid(Export)
        ? Export
        : throw new InvalidInputException(ErrorIds.NbdUriInvalid,
            $"An NBD export's name has no NUL, no half characters and at most {NbdLimits.MaxString} bytes.");

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NbdUriInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.NbdTlsRequired"/>: a scheme of the nbds family.</exception>
    public static NbdUri Parse(string text)
    {
        if (text.StartsWith("nbds", StringComparison.OrdinalIgnoreCase))
        {
            throw new UnsupportedFeatureException(ErrorIds.NbdTlsRequired, $"'{text}' asks for TLS, which is not supported.");
        }

        if (text.Contains('#', StringComparison.Ordinal))
        {
            throw Invalid(text, "a fragment has no meaning there");
        }

        return text switch
        {
            _ when text.StartsWith(Tcp, StringComparison.OrdinalIgnoreCase) => ParseTcp(text, Split(text, Tcp.Length)),
            _ when text.StartsWith(Unix, StringComparison.OrdinalIgnoreCase) => ParseUnix(text, Split(text, Unix.Length)),
            _ => throw Invalid(text, "write nbd://host:port/export or nbd+unix:///export?socket=/path"),
        };
    }

    public override string ToString() => Address switch
    {
        NbdAddress.Tcp tcp => $"{Tcp}{tcp}/{Escape(Export)}",
        NbdAddress.Unix unix => $"{Unix}/{Escape(Export)}?socket={Escape(unix.Path)}",
        _ => throw new InvalidOperationException("The kinds of address are the two above."),
    };

    private static NbdUri ParseTcp(string text, (string Authority, string Path, string Query) parts)
    {
        if (parts.Query.Length > 0)
        {
            throw Invalid(text, "a TCP address takes no parameters");
        }

        // Uri knows the shapes of hosts (names, IPv4, bracketed IPv6); the path and query are ours because it would normalise them.
        if (parts.Authority.Contains('@', StringComparison.Ordinal)
            || !Uri.TryCreate($"nbd://{parts.Authority}/", UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0 || uri.Port == 0)
        {
            throw Invalid(text, "its host or port cannot be used");
        }

        return new NbdUri(new NbdAddress.Tcp(uri.DnsSafeHost, uri.Port < 0 ? DefaultPort : uri.Port), Unescape(text, parts.Path));
    }

    private static NbdUri ParseUnix(string text, (string Authority, string Path, string Query) parts)
    {
        if (parts.Authority.Length > 0)
        {
            throw Invalid(text, "a Unix socket has no host; write three slashes");
        }

        string? socket = null;
        foreach (string parameter in parts.Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = parameter.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || parameter[..equals] != "socket" || socket is not null)
            {
                throw Invalid(text, "its only parameter is one 'socket'");
            }

            socket = Unescape(text, parameter[(equals + 1)..]);
        }

        return string.IsNullOrEmpty(socket)
            ? throw Invalid(text, "the parameter 'socket' is missing")
            : new NbdUri(new NbdAddress.Unix(socket), Unescape(text, parts.Path));
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
