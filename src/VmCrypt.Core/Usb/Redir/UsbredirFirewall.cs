using System.Buffers;
using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>Stands between the two ends of a usbredir connection, without their sockets: passes on what is allowed.</summary>
/// <remarks>
/// <para>What a host announces (interface_info and ep_info, then device_connect) is held back until the device is judged. A device that is denied is never shown to the guest, and the host gets filter_reject. A device that is shown and no longer allowed
/// (the list has changed, its interfaces have, its descriptors say something else) is disconnected from the guest at once; packets
/// that the guest had sent before it knew are swallowed until its acknowledgement.</para>
/// <para>Both hellos pass, less the capabilities that nobody knew in version 0.7. Not for several threads at once.</para>
/// </remarks>
internal sealed class UsbredirFirewall(Func<UsbRuleSet> rules, TimeProvider clock, Action<UsbEventKind, UsbDeviceDescription?, string> report)
{
    /// <summary>A cut-off transfer is filled up to this size; a longer one costs the connection.</summary>
    private const int MaxFill = 1024 * 1024;

    private const int MaxHeld = 1024 * 1024;
    private const int MaxClaims = 64;

    private static readonly UsbredirPacketType[] s_announcement =
        [UsbredirPacketType.EndpointInfo, UsbredirPacketType.InterfaceInfo, UsbredirPacketType.DeviceConnect];

    private readonly UsbredirEnd _host = new(UsbredirSide.Host);
    private readonly UsbredirEnd _guest = new(UsbredirSide.Guest);
    private readonly DescriptorWatch _watch = new();
    private readonly List<UsbDeviceDescription> _claims = [];
    private readonly Dictionary<UsbredirPacketType, byte[]> _announced = [];
    private IReadOnlyList<UsbClassCode>? _interfaces;
    private UsbDeviceDescription? _device;
    private SerialProbe? _probe;
    private DeviceState _state = DeviceState.None;
    private bool _hiddenByList;
    private bool _swallowing;
    private int _unacknowledged;

    private enum DeviceState
    {
        None,

        /// <summary>Announced, and being asked for its serial number.</summary>
        Probing,

        /// <summary>The guest sees it.</summary>
        Shown,

        /// <summary>The guest does not see it, or no longer.</summary>
        Hidden,
    }

    /// <summary>The side of the host; the caller sends what is in its <see cref="UsbredirEnd.Out"/>.</summary>
    public UsbredirEnd Host => _host;

    /// <summary>The side of the guest; the caller sends what is in its <see cref="UsbredirEnd.Out"/>.</summary>
    public UsbredirEnd Guest => _guest;

    /// <summary>Why both connections are to be closed once everything is sent; null while they may stay.</summary>
    public string? Closing { get; private set; }

    /// <summary>The features that both sides have; null until both have said hello.</summary>
    public UsbredirCaps? Features => _host.Reader.Caps;

    /// <summary>What the guest sees.</summary>
    public UsbDeviceDescription? Shown => _state == DeviceState.Shown ? _device : null;

    /// <summary>Takes what one side has sent.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbredirInvalid"/>: close both connections.</exception>
    public void Receive(UsbredirSide from, ReadOnlySpan<byte> bytes)
    {
        UsbredirEnd end = from == UsbredirSide.Host ? _host : _guest;
        if (end.Held.WrittenCount > 0)
        {
            Hold(end, bytes);
        }
        else
        {
            Read(end, bytes);
        }
    }

    /// <summary>The list may have changed: judges the device again.</summary>
    public void Recheck()
    {
        if (_device is null || Closing is not null)
        {
            return;
        }

        if (_state == DeviceState.Shown && _claims.Prepend(_device).Select(Judge).FirstOrDefault(verdict => !verdict.Allowed) is { } denied)
        {
            Eject(denied.Reason);
        }
        else if (_state == DeviceState.Hidden && _hiddenByList && Judge(_device).Allowed)
        {
            // The host has let go of the device when it was rejected; connected anew, it offers it anew.
            Close("a device that is allowed now may connect again");
        }
    }

    private void Read(UsbredirEnd end, ReadOnlySpan<byte> bytes)
    {
        while (Closing is null && end.Reader.TryRead(ref bytes, out UsbredirPiece piece))
        {
            if (piece.Type == UsbredirPacketType.Hello)
            {
                TakeHello(end, piece);
            }
            else if (end == _host)
            {
                TakeFromHost(piece);
            }
            else
            {
                TakeFromGuest(piece);
            }

            if (piece.Remaining == 0)
            {
                Other(end).FlushDeferred();
            }
        }

        if (!bytes.IsEmpty && Closing is null)
        {
            Hold(end, bytes);
        }
    }

    // Until the other side has said hello, nobody can tell how long this side's headers are.
    private static void Hold(UsbredirEnd end, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxHeld - end.Held.WrittenCount)
        {
            throw UsbredirFormat.Invalid(end.Reader.From, $"sent more than {MaxHeld} bytes before the other side's hello");
        }

        end.Held.Write(bytes);
    }

    private void TakeHello(UsbredirEnd end, in UsbredirPiece piece)
    {
        ReadOnlySpan<byte> words = piece.Body[UsbredirFormat.HelloSize..];
        end.Caps = words.IsEmpty ? UsbredirCaps.None : (UsbredirCaps)BinaryPrimitives.ReadUInt32LittleEndian(words) & UsbredirCaps.Known;

        Span<byte> hello = Other(end).Out.GetSpan(piece.Bytes.Length)[..piece.Bytes.Length];
        piece.Bytes.CopyTo(hello);
        Span<byte> known = hello[(hello.Length - words.Length)..];
        known.Clear();
        if (!known.IsEmpty)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(known, (uint)end.Caps);
        }

        Other(end).Out.Advance(hello.Length);
        if (_host.Caps is { } host && _guest.Caps is { } guest)
        {
            _host.Reader.Caps = _guest.Reader.Caps = UsbredirFormat.Common(host, guest);
            byte[] held = Other(end).Held.WrittenSpan.ToArray();
            Other(end).Held.Clear();
            Read(Other(end), held);
        }
    }

    private void TakeFromHost(in UsbredirPiece piece)
    {
        switch (piece.Type)
        {
            case UsbredirPacketType.EndpointInfo:
                Announce(piece);
                break;
            case UsbredirPacketType.InterfaceInfo:
                TakeInterfaces(piece);
                break;
            case UsbredirPacketType.DeviceConnect:
                TakeConnect(piece);
                break;
            case UsbredirPacketType.DeviceDisconnect:
                TakeDisconnect(piece);
                break;
            case UsbredirPacketType.FilterFilter:
                _guest.Out.Write(piece.Bytes);
                break;
            case UsbredirPacketType.ControlPacket:
                TakeControlAnswer(piece);
                break;
            default:
                PassToGuest(piece);
                break;
        }
    }

    // The latest of each counts. The document wants ep_info first, usbredirhost sends it last; nobody minds.
    private void Announce(in UsbredirPiece piece)
    {
        if (_state == DeviceState.Shown)
        {
            _guest.Out.Write(piece.Bytes);
        }
        else
        {
            _announced[piece.Type] = piece.Bytes.ToArray();
        }
    }

    private void TakeInterfaces(in UsbredirPiece piece)
    {
        _interfaces = UsbredirInterfaces.Parse(piece.Body);
        if (_state == DeviceState.Shown)
        {
            UsbDeviceDescription changed = _device! with { Interfaces = Known(_interfaces) };
            if (!Accept(changed, "its interfaces have changed"))
            {
                return;
            }

            _device = changed;
        }

        Announce(piece);
    }

    private void TakeConnect(in UsbredirPiece piece)
    {
        if (_state is DeviceState.Shown or DeviceState.Probing)
        {
            throw UsbredirFormat.Invalid(UsbredirSide.Host, "connected a device beside the one that it has connected");
        }

        var connect = UsbredirConnect.Parse(piece.Body);
        _device = new UsbDeviceDescription
        {
            VendorId = connect.VendorId,
            ProductId = connect.ProductId,
            Version = connect.Version,
            DeviceClass = connect.Class,
            Interfaces = Known(_interfaces),
        };
        _watch.Clear();
        _claims.Clear();
        _announced[piece.Type] = piece.Bytes.ToArray();
        report(UsbEventKind.Plugged, _device, "the usbredir host offers it");
        if (rules().AsksForSerial)
        {
            _state = DeviceState.Probing;
            _probe = new SerialProbe();
            AskProbe();
        }
        else
        {
            ShowOrHide();
        }
    }

    private void ShowOrHide()
    {
        UsbVerdict verdict = Judge(_device!);
        report(verdict.Allowed ? UsbEventKind.Allowed : UsbEventKind.Denied, _device, verdict.Reason);
        if (verdict.Allowed)
        {
            foreach (UsbredirPacketType type in s_announcement)
            {
                _guest.Out.Write(_announced.GetValueOrDefault(type));
            }

            _state = DeviceState.Shown;
        }
        else
        {
            Hide();
        }

        _announced.Clear();
    }

    private void TakeDisconnect(in UsbredirPiece piece)
    {
        if (_state == DeviceState.Shown)
        {
            _guest.Out.Write(piece.Bytes);
        }
        else if (Caps.HasFlag(UsbredirCaps.DeviceDisconnectAck))
        {
            // The guest does not know of the device and will not acknowledge: in its place.
            Insert(target => UsbredirPacket.WriteEmpty(target, Caps, UsbredirPacketType.DeviceDisconnectAck));
        }

        if (_state != DeviceState.None)
        {
            report(UsbEventKind.Unplugged, _device, "the usbredir host has taken it away");
        }

        _state = DeviceState.None;
        (_device, _probe, _interfaces) = (null, null, null);
        _announced.Clear();
    }

    private void TakeControlAnswer(in UsbredirPiece piece)
    {
        var answer = UsbredirControl.Parse(piece.Body);
        ReadOnlySpan<byte> data = piece.Body[UsbredirFormat.ControlSize..];
        if (_state == DeviceState.Probing && _probe!.Answer(piece.Id, answer, data))
        {
            TakeProbed();
        }
        else if (_state == DeviceState.Shown && AcceptDescriptor(piece.Id, answer, data))
        {
            _guest.Out.Write(piece.Bytes);
        }
    }

    private void TakeProbed()
    {
        if (!_probe!.IsDone)
        {
            AskProbe();
            return;
        }

        _device = _device! with { Serial = _probe.Serial };
        _probe = null;
        ShowOrHide();
    }

    private bool AcceptDescriptor(ulong id, in UsbredirControl answer, ReadOnlySpan<byte> data)
    {
        try
        {
            if (_watch.Answer(id, answer, data, _device!) is not { } claimed)
            {
                return true;
            }

            if (!Accept(claimed, "its descriptors say so"))
            {
                return false;
            }

            // A configuration is one of several; a serial number is the device's own.
            _device = claimed with { Interfaces = _device!.Interfaces };
            Remember(claimed);
            return true;
        }
        catch (ProtocolException fault) when (fault.ErrorId == ErrorIds.UsbDescriptorInvalid)
        {
            Eject(fault.Message);
            return false;
        }
    }

    // A device that turns out to be something else may stay only if that is allowed too.
    private bool Accept(UsbDeviceDescription claimed, string why)
    {
        UsbVerdict verdict = Judge(claimed);
        if (!verdict.Allowed)
        {
            _device = claimed;
            Eject($"{why}: {verdict.Reason}");
        }

        return verdict.Allowed;
    }

    private void Remember(UsbDeviceDescription claimed)
    {
        if (_claims.Any(known => known with { Interfaces = null } == claimed with { Interfaces = null } && known.Interfaces?.SequenceEqual(claimed.Interfaces ?? []) == true))
        {
            return;
        }

        if (_claims.Count == MaxClaims)
        {
            throw UsbredirFormat.Invalid(UsbredirSide.Host, $"showed more than {MaxClaims} different descriptors of one device");
        }

        _claims.Add(claimed);
    }

    private void TakeFromGuest(in UsbredirPiece piece)
    {
        switch (piece.Type)
        {
            case UsbredirPacketType.FilterFilter:
                _host.Out.Write(piece.Bytes);
                return;
            case UsbredirPacketType.DeviceDisconnectAck when _unacknowledged > 0:
                _unacknowledged--;
                return;
            case UsbredirPacketType.FilterReject when _state == DeviceState.Shown:
                _state = DeviceState.Hidden;
                _hiddenByList = false;
                _host.Out.Write(piece.Bytes);
                report(UsbEventKind.Denied, _device, "the guest's own filter rejects it");
                return;
            case UsbredirPacketType.ControlPacket when _state == DeviceState.Shown:
                _watch.Ask(piece.Id, UsbredirControl.Parse(piece.Body));
                break;
        }

        if (piece.IsFirst)
        {
            // What the guest sends to a device that it has lost, or before it knows, is for nobody.
            _swallowing = _unacknowledged > 0 || _state is DeviceState.Hidden or DeviceState.Probing;
        }

        if (!_swallowing)
        {
            _host.Out.Write(piece.Bytes);
        }
    }

    private void PassToGuest(in UsbredirPiece piece)
    {
        if (_state == DeviceState.Shown)
        {
            _guest.Out.Write(piece.Bytes);
        }
    }

    private void AskProbe()
    {
        SerialProbe probe = _probe!;
        Insert(target => probe.Ask(target, Caps));
    }

    private void Eject(string reason)
    {
        report(UsbEventKind.Denied, _device, reason);
        if (Caps.HasFlag(UsbredirCaps.DeviceDisconnectAck) && _host.Reader.Streaming <= MaxFill)
        {
            // A transfer that is half sent is filled up, so that the guest finds the next header where it expects one.
            int fill = (int)_host.Reader.Streaming;
            _guest.Out.GetSpan(fill + 1)[..fill].Clear();
            _guest.Out.Advance(fill);
            UsbredirPacket.WriteEmpty(_guest.Out, Caps, UsbredirPacketType.DeviceDisconnect);
            _unacknowledged++;
        }
        else
        {
            // Without an acknowledgement nobody could tell the guest's old packets from new ones.
            Close("the device is not allowed any more");
        }

        Hide();
        report(UsbEventKind.Ejected, _device, reason);
    }

    private void Hide()
    {
        _state = DeviceState.Hidden;
        _hiddenByList = true;
        if (_host.Caps!.Value.HasFlag(UsbredirCaps.Filter))
        {
            Insert(target => UsbredirPacket.WriteEmpty(target, Caps, UsbredirPacketType.FilterReject));
        }
        else
        {
            Close("the host cannot be told that its device is rejected");
        }
    }

    // Packets of our own go between those of the guest, never into one.
    private void Insert(Action<IBufferWriter<byte>> write) => _host.Insert(write, atOnce: _guest.Reader.Streaming == 0);

    private UsbredirEnd Other(UsbredirEnd end) => end == _host ? _guest : _host;

    private UsbredirCaps Caps => Features ?? UsbredirCaps.None;

    private void Close(string reason) => Closing ??= reason;

    private UsbVerdict Judge(UsbDeviceDescription device) => rules().Judge(device, clock.GetUtcNow());

    // A device without interfaces would pass every list unasked: here it counts as one that does not show them.
    private static IReadOnlyList<UsbClassCode>? Known(IReadOnlyList<UsbClassCode>? interfaces) => interfaces is { Count: > 0 } ? interfaces : null;
}
