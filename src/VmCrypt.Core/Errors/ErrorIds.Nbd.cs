namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The text is no NBD URI that we can use.</summary>
    public const string NbdUriInvalid = nameof(NbdUriInvalid);

    /// <summary>Nobody listens at the address, or the connection could not be made in time.</summary>
    public const string NbdConnectFailed = nameof(NbdConnectFailed);

    /// <summary>The connection ended before everything was answered; writes that were not flushed may be lost.</summary>
    public const string NbdConnectionLost = nameof(NbdConnectionLost);

    /// <summary>The peer does not speak NBD, or only the oldstyle handshake.</summary>
    public const string NbdGreetingInvalid = nameof(NbdGreetingInvalid);

    /// <summary>The client's handshake flags name something that was not offered.</summary>
    public const string NbdClientFlagsInvalid = nameof(NbdClientFlagsInvalid);

    /// <summary>An option of the handshake has the wrong magic or is longer than any option we know.</summary>
    public const string NbdOptionInvalid = nameof(NbdOptionInvalid);

    /// <summary>A reply of the handshake has the wrong magic, answers another option, or its fields contradict each other.</summary>
    public const string NbdOptionReplyInvalid = nameof(NbdOptionReplyInvalid);

    /// <summary>The server refused an option without which we cannot go on.</summary>
    public const string NbdOptionRefused = nameof(NbdOptionRefused);

    /// <summary>The server has no export of that name.</summary>
    public const string NbdExportNotFound = nameof(NbdExportNotFound);

    /// <summary>The export's size or its block sizes break the rules of the protocol.</summary>
    public const string NbdExportInvalid = nameof(NbdExportInvalid);

    /// <summary>The server wants TLS, and the URI has a scheme without it.</summary>
    public const string NbdTlsRequired = nameof(NbdTlsRequired);

    /// <summary>A request has the wrong magic or carries more bytes than any request may.</summary>
    public const string NbdRequestInvalid = nameof(NbdRequestInvalid);

    /// <summary>A reply has the wrong magic or shape, or does not fit the request that it answers.</summary>
    public const string NbdReplyInvalid = nameof(NbdReplyInvalid);

    /// <summary>A reply answers no request that is under way.</summary>
    public const string NbdCookieUnknown = nameof(NbdCookieUnknown);

    /// <summary>The address to serve on is in use or cannot be bound.</summary>
    public const string NbdAddressInUse = nameof(NbdAddressInUse);

    /// <summary>A client moved nothing while others waited for the memory that its requests hold.</summary>
    public const string NbdClientStalled = nameof(NbdClientStalled);
}
