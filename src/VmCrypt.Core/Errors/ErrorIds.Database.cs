namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The connection string of the host's database is not valid, or holds a password.</summary>
    public const string DatabaseConnectionInvalid = nameof(DatabaseConnectionInvalid);

    /// <summary>The host's database cannot be reached, or has gone; nothing was changed.</summary>
    public const string DatabaseUnavailable = nameof(DatabaseUnavailable);

    /// <summary>The host's database has gone while a change was being made durable: it was made or not.</summary>
    public const string DatabaseUncertain = nameof(DatabaseUncertain);

    /// <summary>The server of the host's database has no certificate that the connection string trusts.</summary>
    public const string DatabaseUntrusted = nameof(DatabaseUntrusted);

    /// <summary>The host's database refused what it was asked.</summary>
    public const string DatabaseRefused = nameof(DatabaseRefused);

    /// <summary>The host's database was made by a later version of this program.</summary>
    public const string DatabaseVersionUnsupported = nameof(DatabaseVersionUnsupported);
}
