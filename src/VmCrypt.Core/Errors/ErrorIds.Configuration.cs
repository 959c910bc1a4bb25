namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>A file of the configuration folder is no valid document of its kind.</summary>
    public const string ConfigurationInvalid = nameof(ConfigurationInvalid);

    /// <summary>A configuration file or its folder could be changed by somebody other than its owner and root.</summary>
    public const string ConfigurationUnsafe = nameof(ConfigurationUnsafe);

    /// <summary>Another process holds the lock of a configuration file for too long.</summary>
    public const string ConfigurationBusy = nameof(ConfigurationBusy);

    /// <summary>An audit entry is larger than a line of the log may be.</summary>
    public const string AuditEntryTooLarge = nameof(AuditEntryTooLarge);
}
