namespace VmCrypt.Core.Usb.Guard;

/// <summary>How a guard works.</summary>
public sealed record UsbGuardOptions
{
    /// <summary>Hubs and input devices that QEMU emulates (tablet, mouse, keyboard) must be listed too.</summary>
    public bool JudgeEmulatedInput { get; init; }

    /// <summary>Ids of redirection channels that a proxy of ours guards, and whose filter is left as it is.</summary>
    public IReadOnlySet<string> ProxiedChannels { get; init; } = new HashSet<string>();

    /// <summary>Where QEMU may log plugs for the guard to see them at once; null leaves only the regular look.</summary>
    /// <remarks>QEMU's own log moves there: leave it out for VMs whose log (-D) somebody reads.</remarks>
    public string? TraceFolder { get; init; }

    /// <summary>How long a monitor may take for an answer, and a device to go, before that counts as trouble.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the guard looks by itself where nothing tells it of plugs.</summary>
    public TimeSpan Look { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often it looks where QEMU's log tells it, in case that fails.</summary>
    public TimeSpan TracedLook { get; init; } = TimeSpan.FromSeconds(5);
}
