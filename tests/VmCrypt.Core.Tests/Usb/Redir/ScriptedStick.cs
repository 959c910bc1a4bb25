using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using VmCrypt.Core.Usb;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>A memory stick that speaks usbredir by itself: descriptors, and a SCSI disk over bulk-only transport.</summary>
internal sealed class ScriptedStick(byte[] disk, ushort vendor = 0x048d, ushort product = 0x1169, string serial = "A1")
{
    private const byte In = 0x81;
    private const byte Out = 0x02;
    private const int BlockSize = 512;

    private static readonly UsbClassCode s_class = UsbClassCode.Parse("08:06:50");
    private static readonly RedirPackets s_packets = new();

    private readonly Queue<(ulong Id, int Length)> _reads = new();
    private byte[] _data = [];
    private int _sent;
    private byte[]? _status;
    private (int Offset, int Left) _write;
    private uint _tag;

    /// <summary>Packets of the guest by type, for tests that ask what came through.</summary>
    public Dictionary<uint, int> Received { get; } = [];

    /// <summary>Offers the stick over a connection until that ends.</summary>
    public async Task ServeAsync(Socket socket)
    {
        socket.NoDelay = socket.ProtocolType == ProtocolType.Tcp;
        await SendAsync(socket, RedirPackets.Hello());
        byte[] buffer = new byte[1024 * 1024];
        int count = 0;
        bool greeted = false;
        try
        {
            while (await socket.ReceiveAsync(buffer.AsMemory(count)) is > 0 and var more)
            {
                count += more;
                int at = 0;
                while (Next(buffer.AsSpan(at, count - at), greeted) is { } size)
                {
                    byte[] answer = greeted ? Answer(buffer.AsSpan(at, size)) : [.. Announcement(), .. s_packets.Connect(vendor, product)];
                    greeted = true;
                    at += size;
                    await SendAsync(socket, answer);
                }

                buffer.AsSpan(at, count - at).CopyTo(buffer);
                count -= at;
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // The other side has closed.
        }
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    private static int? Next(ReadOnlySpan<byte> bytes, bool greeted)
    {
        int header = greeted ? 16 : 12;
        return bytes.Length >= header && bytes.Length >= header + BinaryPrimitives.ReadInt32LittleEndian(bytes[4..])
            ? header + BinaryPrimitives.ReadInt32LittleEndian(bytes[4..])
            : null;
    }

    private static byte[] Announcement()
    {
        byte[] endpoints = s_packets.EndpointInfo();
        // Header, then a type per endpoint: out 0 to 15, in 0 to 15. Bulk out is endpoint 2, bulk in 1.
        endpoints[16 + 1] = 255;
        endpoints[16 + 2] = 2;
        BinaryPrimitives.WriteUInt16LittleEndian(endpoints.AsSpan(16 + 96 + (2 * 2)), 512);
        return [.. endpoints, .. s_packets.Interfaces(s_class)];
    }

    private byte[] Answer(ReadOnlySpan<byte> packet)
    {
        uint type = BinaryPrimitives.ReadUInt32LittleEndian(packet);
        ulong id = BinaryPrimitives.ReadUInt64LittleEndian(packet[8..]);
        ReadOnlySpan<byte> body = packet[16..];
        Received[type] = Received.GetValueOrDefault(type) + 1;
        return type switch
        {
            6 => [.. Announcement(), .. s_packets.Packet(8, id, 0, body[0])],
            7 => s_packets.Packet(8, id, 0, 1),
            9 => [.. Announcement(), .. s_packets.Packet(11, id, 0, body[0], body[1])],
            10 => s_packets.Packet(11, id, 0, body[0], 0),
            22 => s_packets.Disconnect(),
            100 => Control(id, body),
            101 => Bulk(id, body),
            _ => [],
        };
    }

    private byte[] Control(ulong id, ReadOnlySpan<byte> body)
    {
        (byte request, byte requestType) = (body[1], body[2]);
        ushort value = BinaryPrimitives.ReadUInt16LittleEndian(body[4..]);
        ushort index = BinaryPrimitives.ReadUInt16LittleEndian(body[6..]);
        int length = BinaryPrimitives.ReadUInt16LittleEndian(body[8..]);
        byte[]? data = (requestType, request, value >> 8, value & 0xff) switch
        {
            (0x80, 6, 1, _) => UsbDescriptorBytes.Device(vendor, product, serialIndex: 3),
            (0x80, 6, 2, _) => Configuration(),
            (0x80, 6, 3, 0) => UsbDescriptorBytes.Languages(),
            (0x80, 6, 3, 3) => UsbDescriptorBytes.Text(serial),
            (0x80, 6, 3, _) => UsbDescriptorBytes.Text("Scripted"),
            (0x80, 0, _, _) => [0, 0],
            (0xa1, 0xfe, _, _) => [0],
            (0x21 or 0x00 or 0x01 or 0x02, _, _, _) => [],
            _ => null,
        };
        data = data?[..Math.Min(length, data.Length)];
        return s_packets.Control(id, body[0], request, requestType, (byte)(data is null ? 4 : 0), value, index, (ushort)(data?.Length ?? 0), data ?? []);
    }

    private static byte[] Configuration()
    {
        byte[] configuration = UsbDescriptorBytes.Configuration(s_class);
        configuration[9 + 9 + 7 + 2] = Out;
        return configuration;
    }

    private byte[] Bulk(ulong id, ReadOnlySpan<byte> body)
    {
        int length = BinaryPrimitives.ReadUInt16LittleEndian(body[2..]) | (BinaryPrimitives.ReadUInt16LittleEndian(body[8..]) << 16);
        if (body[0] == In)
        {
            _reads.Enqueue((id, length));
            return Reads();
        }

        ReadOnlySpan<byte> data = body[10..];
        if (_write.Left > 0)
        {
            data.CopyTo(disk.AsSpan(_write.Offset));
            _write = (_write.Offset + data.Length, _write.Left - data.Length);
        }
        else if (data.Length == 31 && data.StartsWith("USBC"u8))
        {
            Command(data);
        }

        return [.. s_packets.Bulk(id, Out, length), .. Reads()];
    }

    // Answers what has been asked for, as far as there is something: data first, then the status of the command.
    private byte[] Reads()
    {
        var answer = new List<byte>();
        while (_reads.Count > 0 && (_sent < _data.Length || (_status is not null && _write.Left == 0)))
        {
            (ulong id, int length) = _reads.Dequeue();
            byte[] data = _sent < _data.Length ? _data[_sent..Math.Min(_data.Length, _sent + length)] : _status!;
            _ = _sent < _data.Length ? _sent += data.Length : data.Length;
            _status = ReferenceEquals(data, _status) ? null : _status;
            answer.AddRange(s_packets.Bulk(id, In, data.Length, data: data));
        }

        return [.. answer];
    }

    private void Command(ReadOnlySpan<byte> wrapper)
    {
        _tag = BinaryPrimitives.ReadUInt32LittleEndian(wrapper[4..]);
        int wanted = BinaryPrimitives.ReadInt32LittleEndian(wrapper[8..]);
        ReadOnlySpan<byte> command = wrapper[15..];
        int block = BinaryPrimitives.ReadInt32BigEndian(command[2..]);
        int blocks = BinaryPrimitives.ReadUInt16BigEndian(command[7..]);
        byte[]? data = command[0] switch
        {
            0x00 or 0x1e or 0x35 => [],
            0x03 => [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0],
            0x12 => [0, 0x80, 4, 2, 31, 0, 0, 0, .. Encoding.ASCII.GetBytes("VmCrypt Scripted stick 1.00")],
            0x1a => [3, 0, 0, 0],
            0x25 => Capacity(),
            0x28 => disk[(block * BlockSize)..((block + blocks) * BlockSize)],
            0x2a => [],
            _ => null,
        };
        _write = command[0] == 0x2a ? (block * BlockSize, blocks * BlockSize) : default;
        _data = data is null ? [] : data[..Math.Min(wanted, data.Length)];
        _sent = 0;
        byte[] status = new byte[13];
        "USBS"u8.CopyTo(status);
        BinaryPrimitives.WriteUInt32LittleEndian(status.AsSpan(4), _tag);
        BinaryPrimitives.WriteInt32LittleEndian(status.AsSpan(8), Math.Max(0, wanted - _data.Length - _write.Left));
        status[12] = (byte)(data is null ? 1 : 0);
        _status = status;
    }

    private byte[] Capacity()
    {
        byte[] capacity = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(capacity, (disk.Length / BlockSize) - 1);
        BinaryPrimitives.WriteInt32BigEndian(capacity.AsSpan(4), BlockSize);
        return capacity;
    }
}
