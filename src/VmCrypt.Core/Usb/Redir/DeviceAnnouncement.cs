using System.Buffers;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>What a host says of a device before the guest may see it: held back until the device is judged.</summary>
/// <remarks>The latest packet of each type counts. The document wants ep_info first, usbredirhost sends it last; nobody minds.</remarks>
internal sealed class DeviceAnnouncement
{
    private static readonly UsbredirPacketType[] s_order = [UsbredirPacketType.EndpointInfo, UsbredirPacketType.InterfaceInfo, UsbredirPacketType.DeviceConnect];

    private readonly Dictionary<UsbredirPacketType, byte[]> _packets = [];

    /// <summary>The interfaces that were announced; null where none were.</summary>
    public IReadOnlyList<UsbClassCode>? Interfaces { get; private set; }

    public void Hold(in UsbredirPiece packet)
    {
        _packets[packet.Type] = packet.Bytes.ToArray();
        if (packet.Type == UsbredirPacketType.InterfaceInfo)
        {
            Interfaces = InterfacesOf(packet);
        }
    }

    /// <summary>Lets the guest have it all, and forgets it.</summary>
    public void Release(IBufferWriter<byte> guest)
    {
        foreach (UsbredirPacketType type in s_order)
        {
            guest.Write(_packets.GetValueOrDefault(type));
        }

        Clear();
    }

    public void Clear()
    {
        _packets.Clear();
        Interfaces = null;
    }

    /// <summary>Null for an empty list: a device without interfaces would pass every whitelist unasked, and so counts as one that does not show them.</summary>
    public static IReadOnlyList<UsbClassCode>? InterfacesOf(in UsbredirPiece interfaceInfo) =>
        UsbredirInterfaces.Parse(interfaceInfo.Body) is { Count: > 0 } interfaces ? interfaces : null;
}
