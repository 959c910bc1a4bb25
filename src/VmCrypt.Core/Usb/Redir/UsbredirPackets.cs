using System.Buffers;
using System.Buffers.Binary;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>usb_redir_device_connect: <c>0 speed  1 class  2 subclass  3 protocol  4 vendor(2)  6 product(2)  [8 version(2)]</c>.</summary>
internal readonly record struct UsbredirConnect(UsbClassCode Class, ushort VendorId, ushort ProductId, ushort? Version)
{
    public static UsbredirConnect Parse(ReadOnlySpan<byte> body) => new(
        new UsbClassCode(body[1], body[2], body[3]), BinaryPrimitives.ReadUInt16LittleEndian(body[4..]), BinaryPrimitives.ReadUInt16LittleEndian(body[6..]),
        body.Length >= 10 ? BinaryPrimitives.ReadUInt16LittleEndian(body[8..]) : null);
}

/// <summary>usb_redir_interface_info: <c>0 count(4)  4 number[32]  36 class[32]  68 subclass[32]  100 protocol[32]</c>.</summary>
internal static class UsbredirInterfaces
{
    /// <exception cref="Errors.ProtocolException"><see cref="Errors.ErrorIds.UsbredirInvalid"/>.</exception>
    public static IReadOnlyList<UsbClassCode> Parse(ReadOnlySpan<byte> body)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(body);
        if (count > UsbredirFormat.MaxInterfaces)
        {
            throw UsbredirFormat.Invalid(UsbredirSide.Host, $"announced {count} interfaces; there are at most {UsbredirFormat.MaxInterfaces}");
        }

        UsbClassCode[] classes = new UsbClassCode[count];
        for (int index = 0; index < classes.Length; index++)
        {
            classes[index] = new UsbClassCode(body[36 + index], body[68 + index], body[100 + index]);
        }

        return classes;
    }
}

/// <summary>usb_redir_control_packet: <c>0 endpoint  1 request  2 requesttype  3 status  4 value(2)  6 index(2)  8 length(2)</c>, data.</summary>
internal readonly record struct UsbredirControl(byte Request, byte RequestType, byte Status, ushort Value, ushort Index)
{
    private const byte DeviceToHost = 0x80;
    private const byte GetDescriptor = 6;

    public static UsbredirControl Parse(ReadOnlySpan<byte> body) => new(
        body[1], body[2], body[3], BinaryPrimitives.ReadUInt16LittleEndian(body[4..]), BinaryPrimitives.ReadUInt16LittleEndian(body[6..]));

    public bool IsGetDescriptor => RequestType == DeviceToHost && Request == GetDescriptor;

    public byte DescriptorType => (byte)(Value >> 8);

    public byte DescriptorIndex => (byte)Value;

    /// <summary>Asks for a descriptor, as the guest would.</summary>
    public static void WriteGetDescriptor(IBufferWriter<byte> target, UsbredirCaps caps, ulong id, byte type, byte index, ushort language, ushort length)
    {
        Span<byte> body = UsbredirPacket.Write(target, caps, UsbredirPacketType.ControlPacket, id, UsbredirFormat.ControlSize);
        body[0] = DeviceToHost;
        body[1] = GetDescriptor;
        body[2] = DeviceToHost;
        body[3] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(body[4..], (ushort)((type << 8) | index));
        BinaryPrimitives.WriteUInt16LittleEndian(body[6..], language);
        BinaryPrimitives.WriteUInt16LittleEndian(body[8..], length);
        target.Advance(body.Length);
    }
}

/// <summary>Writes packets of our own.</summary>
internal static class UsbredirPacket
{
    /// <summary>Writes a packet that is all header.</summary>
    public static void WriteEmpty(IBufferWriter<byte> target, UsbredirCaps caps, UsbredirPacketType type) => Write(target, caps, type, 0, 0);

    /// <summary>Writes the header and hands out the space of the body, which the caller fills and advances over.</summary>
    public static Span<byte> Write(IBufferWriter<byte> target, UsbredirCaps caps, UsbredirPacketType type, ulong id, int bodyLength)
    {
        int size = UsbredirFormat.HeaderSize(caps);
        Span<byte> header = target.GetSpan(size);
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)type);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], bodyLength);
        if (size == 16)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(header[8..], id);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)id);
        }

        target.Advance(size);
        return bodyLength == 0 ? [] : target.GetSpan(bodyLength)[..bodyLength];
    }
}
