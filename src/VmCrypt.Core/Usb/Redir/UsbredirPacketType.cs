namespace VmCrypt.Core.Usb.Redir;

/// <summary>The packet types of the USB Network Redirection protocol, version 0.7.</summary>
internal enum UsbredirPacketType : uint
{
    Hello,
    DeviceConnect,
    DeviceDisconnect,
    Reset,
    InterfaceInfo,
    EndpointInfo,
    SetConfiguration,
    GetConfiguration,
    ConfigurationStatus,
    SetAltSetting,
    GetAltSetting,
    AltSettingStatus,
    StartIsoStream,
    StopIsoStream,
    IsoStreamStatus,
    StartInterruptReceiving,
    StopInterruptReceiving,
    InterruptReceivingStatus,
    AllocBulkStreams,
    FreeBulkStreams,
    BulkStreamsStatus,
    CancelDataPacket,
    FilterReject,
    FilterFilter,
    DeviceDisconnectAck,
    StartBulkReceiving,
    StopBulkReceiving,
    BulkReceivingStatus,

    ControlPacket = 100,
    BulkPacket,
    IsoPacket,
    InterruptPacket,
    BufferedBulkPacket,
}

/// <summary>What a side can do, as its hello says; a feature is used where both have it.</summary>
[Flags]
internal enum UsbredirCaps : uint
{
    None = 0,
    BulkStreams = 1 << 0,
    ConnectDeviceVersion = 1 << 1,
    Filter = 1 << 2,
    DeviceDisconnectAck = 1 << 3,
    EndpointInfoMaxPacketSize = 1 << 4,
    Ids64 = 1 << 5,
    BulkLength32 = 1 << 6,
    BulkReceiving = 1 << 7,

    Known = (1 << 8) - 1,
}

/// <summary>The two ends: the usb-host has the device, the usb-guest (QEMU) wants it.</summary>
internal enum UsbredirSide
{
    Host,
    Guest,
}
