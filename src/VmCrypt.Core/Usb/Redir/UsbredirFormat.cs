using System.Buffers.Binary;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>The sizes and rules of packets: who may send which, what follows the header.</summary>
/// <remarks>
/// Every packet: <c>0 type(4)  4 length(4)  8 id(4, or 8 where both sides can)</c>, then <c>length</c> bytes: the type's own header
/// and, for some types, data. All little-endian. The hello always has a short id.
/// </remarks>
internal static class UsbredirFormat
{
    public const int HelloSize = 64;
    public const int InterfaceInfoSize = 132;
    public const int ControlSize = 10;
    public const int MaxInterfaces = 32;

    /// <summary>The longest type header: ep_info with packet sizes and streams.</summary>
    public const int MaxTypeHeader = 288;

    /// <summary>As libusbredirparser limits bulk transfers.</summary>
    public const int MaxBulkLength = 128 * 1024 * 1024;

    /// <summary>A filter of a few tens of thousands of rules.</summary>
    public const int MaxFilterLength = 1024 * 1024;

    private const int MaxCapabilityWords = 16;

    public static int HeaderSize(UsbredirCaps caps) => caps.HasFlag(UsbredirCaps.Ids64) ? 16 : 12;

    /// <summary>The features that both sides have.</summary>
    public static UsbredirCaps Common(UsbredirCaps host, UsbredirCaps guest)
    {
        UsbredirCaps common = Sound(host) & Sound(guest);
        return common;

        // Streams without packet sizes are a fault of the sender, which the parser of usbredir answers by ignoring them.
        static UsbredirCaps Sound(UsbredirCaps caps) =>
            caps.HasFlag(UsbredirCaps.EndpointInfoMaxPacketSize) ? caps : caps & ~UsbredirCaps.BulkStreams;
    }

    /// <summary>Bytes of the type's own header.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbredirInvalid"/>: no such type, or not from this side.</exception>
    public static int TypeHeaderSize(UsbredirPacketType type, UsbredirSide from, UsbredirCaps caps)
    {
        (UsbredirSide? sender, int size) = type switch
        {
            UsbredirPacketType.Hello => ((UsbredirSide?)null, HelloSize),
            UsbredirPacketType.DeviceConnect => (UsbredirSide.Host, caps.HasFlag(UsbredirCaps.ConnectDeviceVersion) ? 10 : 8),
            UsbredirPacketType.DeviceDisconnect => (UsbredirSide.Host, 0),
            UsbredirPacketType.Reset => (UsbredirSide.Guest, 0),
            UsbredirPacketType.InterfaceInfo => (UsbredirSide.Host, InterfaceInfoSize),
            UsbredirPacketType.EndpointInfo => (UsbredirSide.Host,
                caps.HasFlag(UsbredirCaps.BulkStreams) ? MaxTypeHeader : caps.HasFlag(UsbredirCaps.EndpointInfoMaxPacketSize) ? 160 : 96),
            UsbredirPacketType.SetConfiguration => (UsbredirSide.Guest, 1),
            UsbredirPacketType.GetConfiguration => (UsbredirSide.Guest, 0),
            UsbredirPacketType.ConfigurationStatus => (UsbredirSide.Host, 2),
            UsbredirPacketType.SetAltSetting => (UsbredirSide.Guest, 2),
            UsbredirPacketType.GetAltSetting => (UsbredirSide.Guest, 1),
            UsbredirPacketType.AltSettingStatus => (UsbredirSide.Host, 3),
            UsbredirPacketType.StartIsoStream => (UsbredirSide.Guest, 3),
            UsbredirPacketType.StopIsoStream => (UsbredirSide.Guest, 1),
            UsbredirPacketType.IsoStreamStatus => (UsbredirSide.Host, 2),
            UsbredirPacketType.StartInterruptReceiving => (UsbredirSide.Guest, 1),
            UsbredirPacketType.StopInterruptReceiving => (UsbredirSide.Guest, 1),
            UsbredirPacketType.InterruptReceivingStatus => (UsbredirSide.Host, 2),
            UsbredirPacketType.AllocBulkStreams => (UsbredirSide.Guest, 8),
            UsbredirPacketType.FreeBulkStreams => (UsbredirSide.Guest, 4),
            UsbredirPacketType.BulkStreamsStatus => (UsbredirSide.Host, 9),
            UsbredirPacketType.CancelDataPacket => (UsbredirSide.Guest, 0),
            UsbredirPacketType.FilterReject => (UsbredirSide.Guest, 0),
            UsbredirPacketType.FilterFilter => (null, 0),
            UsbredirPacketType.DeviceDisconnectAck => (UsbredirSide.Guest, 0),
            UsbredirPacketType.StartBulkReceiving => (UsbredirSide.Guest, 10),
            UsbredirPacketType.StopBulkReceiving => (UsbredirSide.Guest, 5),
            UsbredirPacketType.BulkReceivingStatus => (UsbredirSide.Host, 6),
            UsbredirPacketType.ControlPacket => (null, ControlSize),
            UsbredirPacketType.BulkPacket => (null, caps.HasFlag(UsbredirCaps.BulkLength32) ? 10 : 8),
            UsbredirPacketType.IsoPacket => (null, 4),
            UsbredirPacketType.InterruptPacket => (null, 4),
            UsbredirPacketType.BufferedBulkPacket => (UsbredirSide.Host, 10),
            _ => throw Invalid(from, $"sent a packet of the unknown type {(uint)type}"),
        };
        return sender is null || sender == from ? size : throw Invalid(from, $"sent a {type}, which only the other side may");
    }

    /// <summary>Data flows on from piece to piece; every other packet is collected whole.</summary>
    public static bool IsStreamed(UsbredirPacketType type) =>
        type is UsbredirPacketType.BulkPacket or UsbredirPacketType.IsoPacket or UsbredirPacketType.InterruptPacket or UsbredirPacketType.BufferedBulkPacket;

    /// <summary>Checks how much data follows the type's header, before anybody waits for or stores it.</summary>
    /// <param name="dataLength">What the packet's length leaves for data.</param>
    public static void CheckDataLength(UsbredirPacketType type, UsbredirSide from, UsbredirCaps caps, ReadOnlySpan<byte> typeHeader, long dataLength)
    {
        switch (type)
        {
            case UsbredirPacketType.Hello:
                Require(dataLength % 4 == 0 && dataLength <= 4 * MaxCapabilityWords, from, type, dataLength, $"capability words, {MaxCapabilityWords} at most");
                break;
            case UsbredirPacketType.FilterFilter:
                Require(dataLength is > 0 and <= MaxFilterLength, from, type, dataLength, $"1 to {MaxFilterLength} bytes");
                break;
            case UsbredirPacketType.ControlPacket:
                CheckTransfer(type, from, typeHeader[0], BinaryPrimitives.ReadUInt16LittleEndian(typeHeader[8..]), dataLength);
                break;
            case UsbredirPacketType.BulkPacket:
                long high = caps.HasFlag(UsbredirCaps.BulkLength32) ? BinaryPrimitives.ReadUInt16LittleEndian(typeHeader[8..]) : 0;
                CheckTransfer(type, from, typeHeader[0], (high << 16) | BinaryPrimitives.ReadUInt16LittleEndian(typeHeader[2..]), dataLength);
                break;
            case UsbredirPacketType.IsoPacket or UsbredirPacketType.InterruptPacket:
                CheckTransfer(type, from, typeHeader[0], BinaryPrimitives.ReadUInt16LittleEndian(typeHeader[2..]), dataLength);
                break;
            case UsbredirPacketType.BufferedBulkPacket:
                CheckTransfer(type, from, typeHeader[8], BinaryPrimitives.ReadUInt32LittleEndian(typeHeader[4..]), dataLength);
                break;
            default:
                Require(dataLength == 0, from, type, dataLength, "no data");
                break;
        }
    }

    public static ProtocolException Invalid(UsbredirSide from, string defect) =>
        new(ErrorIds.UsbredirInvalid, $"The usbredir {(from == UsbredirSide.Host ? "host" : "guest")} {defect}.");

    // Data goes with the endpoint's direction: in from the host, out from the guest. The other way goes the header alone.
    private static void CheckTransfer(UsbredirPacketType type, UsbredirSide from, byte endpoint, long length, long dataLength)
    {
        bool isInput = (endpoint & 0x80) != 0;
        bool carriesData = isInput == (from == UsbredirSide.Host);
        Require(length <= MaxBulkLength, from, type, length, $"at most {MaxBulkLength} bytes");
        Require(dataLength == (carriesData ? length : 0), from, type, dataLength, carriesData ? $"the {length} bytes that its header says" : "no data in this direction");
        if (!carriesData && (type is UsbredirPacketType.IsoPacket or UsbredirPacketType.BufferedBulkPacket || (type == UsbredirPacketType.InterruptPacket && isInput)))
        {
            throw Invalid(from, $"sent a {type} against its direction");
        }
    }

    private static void Require(bool condition, UsbredirSide from, UsbredirPacketType type, long found, string allowed)
    {
        if (!condition)
        {
            throw Invalid(from, $"sent a {type} with {found} bytes of data; it has {allowed}");
        }
    }
}
