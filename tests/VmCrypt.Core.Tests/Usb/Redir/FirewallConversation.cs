using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Redir;

/// <summary>Both ends of a connection through the firewall, played by the test.</summary>
public abstract class FirewallConversation
{
    private UsbRuleSet _rules = UsbRuleSet.DenyAll;

    private protected FirewallConversation() => Firewall = new UsbredirFirewall(() => _rules, TimeProvider.System, (kind, _, reason) =>
    {
        Events.Add(kind);
        Reasons.Add(reason);
    });

    private protected static UsbClassCode Storage { get; } = UsbClassCode.Parse("08:06:50");

    private protected static UsbClassCode Keyboard { get; } = UsbClassCode.Parse("03:01:01");

    private protected RedirPackets Packets { get; } = new();

    private protected List<UsbEventKind> Events { get; } = [];

    private protected List<string> Reasons { get; } = [];

    private protected UsbredirFirewall Firewall { get; }

    private protected byte[] Announcement => [.. Packets.EndpointInfo(), .. Packets.Interfaces(Storage), .. Packets.Connect(0x48d, 0x1169)];

    private protected void AnswerProbe(byte[] data, byte status = 0) => AnswerProbe(ToHost(), data, status);

    private protected void AnswerProbe(byte[] question, byte[] data, byte status = 0)
    {
        ulong id = BitConverter.ToUInt64(question, 8);
        (byte index, byte type) = (question[20], question[21]);
        Assert.Equal(Packets.GetDescriptor(id, type, index, BitConverter.ToUInt16(question, 22), BitConverter.ToUInt16(question, 24)), question);
        FromHost(Packets.Control(id, 0x80, 6, 0x80, status, (ushort)((type << 8) | index), 0, (ushort)data.Length, data));
    }

    private protected void Allow(params string[] rules) => _rules = new UsbRuleSet(new UsbWhitelist { Rules = [.. rules.Select(UsbRuleText.Parse)] });

    private protected void Greet(uint host = RedirPackets.AllCaps, uint guest = RedirPackets.AllCaps)
    {
        FromHost(RedirPackets.Hello(host));
        FromGuest(RedirPackets.Hello(guest));
        Assert.Equal(RedirPackets.Hello(host), ToGuest());
        Assert.Equal(RedirPackets.Hello(guest), ToHost());
    }

    private protected void Plug(string rule)
    {
        Allow(rule);
        Greet();
        FromHost(Announcement);
        Clear();
    }

    private protected void FromHost(byte[] bytes) => Firewall.Receive(UsbredirSide.Host, bytes);

    private protected void FromGuest(byte[] bytes) => Firewall.Receive(UsbredirSide.Guest, bytes);

    private protected byte[] ToHost()
    {
        byte[] sent = Firewall.Host.Out.WrittenSpan.ToArray();
        Firewall.Host.Out.Clear();
        return sent;
    }

    private protected byte[] ToGuest()
    {
        byte[] sent = Firewall.Guest.Out.WrittenSpan.ToArray();
        Firewall.Guest.Out.Clear();
        return sent;
    }

    private protected void Clear()
    {
        ToHost();
        ToGuest();
    }
}
