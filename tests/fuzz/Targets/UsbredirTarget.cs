using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Redir;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Both ends of a usbredir connection through the firewall, with lists that allow nothing, everything, and one serial number.</summary>
/// <remarks>
/// Input: records of <c>0 side (top bit) and low bits of the length  1 high bits of the length  2 …</c>; a record of length 0 has the
/// lists looked at again. Whatever the ends send, the firewall must keep both in step, and show nothing under a list that allows nothing.
/// </remarks>
internal sealed class UsbredirTarget : IFuzzTarget
{
    private static readonly UsbRuleSet[] s_lists =
    [
        UsbRuleSet.DenyAll,
        new(new UsbWhitelist { Rules = [new UsbRule { Allow = true }] }),
        new(new UsbWhitelist { Rules = [new UsbRule { Allow = true, Serial = "A1" }] }),
    ];

    public string Name => "usbredir";

    public IReadOnlyList<byte[]> Words { get; } =
    [
        [0xff, 0, 0, 0], [5, 0, 0, 0, 0x20, 1, 0, 0], [4, 0, 0, 0, 0x84, 0, 0, 0], [1, 0, 0, 0, 10, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0],
        [22, 0, 0, 0, 0, 0, 0, 0], [24, 0, 0, 0, 0, 0, 0, 0], [23, 0, 0, 0], [100, 0, 0, 0, 10, 0, 0, 0], [101, 0, 0, 0, 10, 0, 0, 0],
        [102, 0, 0, 0, 4, 0, 0, 0], [103, 0, 0, 0, 4, 0, 0, 0], [104, 0, 0, 0, 10, 0, 0, 0], [0x80, 6, 0x80, 0, 0, 1], [18, 1, 0, 2], [9, 2], [9, 4],
    ];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        foreach (UsbRuleSet list in s_lists)
        {
            new Passage(list, trace).Run(input);
        }
    }

    private sealed class Passage
    {
        private readonly UsbredirFirewall _firewall;
        private readonly UsbredirReader _guest = new(UsbredirSide.Host);
        private readonly UsbredirReader _host = new(UsbredirSide.Guest);
        private readonly Trace _trace;
        private readonly bool _denies;
        private UsbRuleSet _list;

        public Passage(UsbRuleSet list, Trace trace)
        {
            _list = list;
            _denies = list == UsbRuleSet.DenyAll;
            _trace = trace;
            _firewall = new UsbredirFirewall(() => _list, TimeProvider.System, Note);
        }

        public void Run(ReadOnlySpan<byte> input)
        {
            while (input.Length >= 2 && _firewall.Closing is null)
            {
                UsbredirSide side = (input[0] & 0x80) == 0 ? UsbredirSide.Host : UsbredirSide.Guest;
                int length = Math.Min((input[0] & 0x7f) | (input[1] << 7), input.Length - 2);
                if (length == 0)
                {
                    _list = _list == s_lists[1] ? UsbRuleSet.DenyAll : _list;
                    _firewall.Recheck();
                }
                else
                {
                    _firewall.Receive(side, input.Slice(2, length));
                }

                input = input[(2 + length)..];
                Check(_guest, _firewall.Guest.Out.WrittenSpan, UsbredirSide.Host);
                Check(_host, _firewall.Host.Out.WrittenSpan, UsbredirSide.Guest);
                _firewall.Guest.Out.Clear();
                _firewall.Host.Out.Clear();
            }
        }

        // A reader like that of the ends must find packet after packet in what the firewall lets out.
        private void Check(UsbredirReader reader, ReadOnlySpan<byte> sent, UsbredirSide from)
        {
            try
            {
                // Both ends know the features once both hellos have passed; the firewall says which those are.
                reader.Caps = _firewall.Features;
                while (reader.TryRead(ref sent, out UsbredirPiece piece))
                {
                    _trace.Note($"{from} {piece.Type}");
                    DefectException.Unless(
                        !_denies || from == UsbredirSide.Guest || piece.Type is UsbredirPacketType.Hello or UsbredirPacketType.FilterFilter,
                        $"The guest was sent {piece.Type} under a list that allows nothing.");
                }
            }
            catch (Core.Errors.ProtocolException fault)
            {
                throw new DefectException($"What was sent on is out of step: {fault.Message}");
            }
        }

        private void Note(UsbEventKind kind, Core.Usb.UsbDeviceDescription? device, string reason) => _trace.Note($"{kind} {_denies}");
    }
}
