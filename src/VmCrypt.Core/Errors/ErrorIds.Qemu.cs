namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The text names no monitor: unix:PATH or tcp:HOST:PORT.</summary>
    public const string MonitorEndpointInvalid = nameof(MonitorEndpointInvalid);

    /// <summary>Nothing listens at the monitor's address, or it may not be opened.</summary>
    public const string MonitorUnreachable = nameof(MonitorUnreachable);

    /// <summary>The connection to the monitor ended: QEMU quit, or somebody closed it.</summary>
    public const string MonitorLost = nameof(MonitorLost);

    /// <summary>The monitor did not answer in time.</summary>
    public const string MonitorTimeout = nameof(MonitorTimeout);

    /// <summary>QEMU refused a command; the message holds its own words.</summary>
    public const string MonitorRefused = nameof(MonitorRefused);

    /// <summary>The peer speaks no QMP: no JSON object, no greeting, an answer that nobody asked for.</summary>
    public const string QmpInvalid = nameof(QmpInvalid);

    /// <summary>A QMP message is larger than any that QEMU sends.</summary>
    public const string QmpMessageTooLarge = nameof(QmpMessageTooLarge);

    /// <summary>An id, path, name or number of an object or node is of a form that QEMU refuses.</summary>
    public const string QemuOptionInvalid = nameof(QemuOptionInvalid);

    /// <summary>The running QEMU has no such disk open, or not as LUKS.</summary>
    public const string QemuNodeMissing = nameof(QemuNodeMissing);

    /// <summary>The running QEMU has the image open more than once.</summary>
    public const string QemuNodeAmbiguous = nameof(QemuNodeAmbiguous);

    /// <summary>The master secret is not 32 bytes.</summary>
    public const string MasterSecretInvalid = nameof(MasterSecretInvalid);

    /// <summary>The master secret does not unwrap the secret.</summary>
    public const string WrongMasterSecret = nameof(WrongMasterSecret);
}
