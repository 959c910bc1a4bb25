namespace VmCrypt.Core.Usb.Redir;

/// <summary>How far the device of a usbredir connection has come.</summary>
internal enum RedirectionState
{
    None,

    /// <summary>Announced, and being asked for its serial number.</summary>
    Probing,

    /// <summary>The guest sees it.</summary>
    Shown,

    /// <summary>The guest does not see it, or no longer.</summary>
    Hidden,
}
