namespace VmCrypt.Core.Nbd;

/// <summary>Whether a server's clients use TLS; the modes of nbdkit's <c>--tls</c>.</summary>
public enum NbdTlsMode
{
    /// <summary>It is refused.</summary>
    Off,

    /// <summary>As each client likes; whoever sits in between may choose for it.</summary>
    On,

    /// <summary>Nothing is answered in clear.</summary>
    Require,
}
