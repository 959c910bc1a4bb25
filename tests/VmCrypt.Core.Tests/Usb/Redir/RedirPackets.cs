using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Usb;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>Makes usbredir packets by the protocol document, for two sides that have all capabilities unless told otherwise.</summary>
internal sealed class RedirPackets
{
    public const uint AllCaps = 0xff;

    /// <summary>The capabilities that both sides have.</summary>
    public uint Caps { get; init; } = AllCaps;

    public static byte[] Hello(uint caps = AllCaps, string version = "test") =>
        [.. Header(0, 68, 0, ids64: false), .. Encoding.ASCII.GetBytes(version.PadRight(64, '\0')), .. Bytes(caps)];

    public byte[] Packet(uint type, ulong id, params ReadOnlySpan<byte> body) => [.. Header(type, (uint)body.Length, id, Has(5)), .. body];

    public byte[] EndpointInfo()
    {
        // Types 255 are "no such endpoint"; control in both directions, bulk 1 out and 1 in.
        byte[] body = new byte[Has(0) ? 288 : Has(4) ? 160 : 96];
        body.AsSpan(0, 32).Fill(255);
        body[0] = body[16] = 0;
        body[1] = body[17] = 2;
        if (Has(4))
        {
            foreach (int endpoint in new[] { 0, 16 })
            {
                BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(96 + (2 * endpoint)), 64);
                BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(96 + (2 * (endpoint + 1))), 512);
            }
        }

        return Packet(5, 0, body);
    }

    public byte[] Interfaces(params UsbClassCode[] classes)
    {
        byte[] body = new byte[132];
        BinaryPrimitives.WriteInt32LittleEndian(body, classes.Length);
        for (int index = 0; index < Math.Min(classes.Length, 32); index++)
        {
            body[4 + index] = (byte)index;
            (body[36 + index], body[68 + index], body[100 + index]) = (classes[index].BaseClass, classes[index].Subclass, classes[index].Protocol);
        }

        return Packet(4, 0, body);
    }

    public byte[] Connect(ushort vendor, ushort product, ushort version = 0x100, UsbClassCode own = default, byte speed = 2)
    {
        byte[] body = [speed, own.BaseClass, own.Subclass, own.Protocol, .. Bytes(vendor), .. Bytes(product), .. Has(1) ? Bytes(version) : []];
        return Packet(1, 0, body);
    }

    public byte[] Disconnect() => Packet(2, 0);

    public byte[] FilterReject() => Packet(22, 0);

    public byte[] DisconnectAck() => Packet(24, 0);

    public byte[] Control(ulong id, byte endpoint, byte request, byte requestType, byte status, ushort value, ushort index, ushort length, params ReadOnlySpan<byte> data) =>
        Packet(100, id, [endpoint, request, requestType, status, .. Bytes(value), .. Bytes(index), .. Bytes(length), .. data]);

    public byte[] GetDescriptor(ulong id, byte type, byte index, ushort language = 0, ushort length = 255) =>
        Control(id, 0x80, 6, 0x80, 0, (ushort)((type << 8) | index), language, length);

    public byte[] Descriptor(ulong id, byte type, byte index, params ReadOnlySpan<byte> data) =>
        Control(id, 0x80, 6, 0x80, 0, (ushort)((type << 8) | index), 0, (ushort)data.Length, data);

    public byte[] Bulk(ulong id, byte endpoint, int length, byte status = 0, uint stream = 0, params ReadOnlySpan<byte> data) =>
        Packet(101, id, [endpoint, status, .. Bytes((ushort)length), .. Bytes(stream), .. Has(6) ? Bytes((ushort)(length >> 16)) : [], .. data]);

    private static byte[] Header(uint type, uint length, ulong id, bool ids64) => [.. Bytes(type), .. Bytes(length), .. ids64 ? Bytes(id) : Bytes((uint)id)];

    private static byte[] Bytes(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(uint value) => Bytes((ulong)value)[..4];

    private static byte[] Bytes(ushort value) => Bytes((ulong)value)[..2];

    private bool Has(int cap) => (Caps & (1u << cap)) != 0;
}
