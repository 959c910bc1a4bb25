using System.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>The one device of a usbredir connection: shown to the guest while its list allows it, and no longer.</summary>
/// <remarks>
/// What a host announces (interface_info and ep_info, then device_connect) is held back until the device is judged. A device that is
/// denied is never shown to the guest, and the host gets filter_reject. A device that is shown and no longer allowed (the list has
/// changed, its interfaces have, its descriptors say something else) is disconnected from the guest at once; packets that the guest
/// had sent before it knew are swallowed until its acknowledgement.
/// </remarks>
internal sealed class RedirectedDevice(UsbredirLink link, Func<UsbRuleSet> rules, TimeProvider clock, Action<UsbEventKind, UsbDeviceDescription?, string> report)
{
    /// <summary>A cut-off transfer is filled up to this size; a longer one costs the connection.</summary>
    private const int MaxFill = 1024 * 1024;

    private readonly DescriptorWatch _watch = new();
    private readonly DeviceAnnouncement _announcement = new();
    private UsbDeviceDescription? _device;
    private SerialProbe? _probe;
    private RedirectionState _state = RedirectionState.None;
    private bool _hiddenByList;
    private bool _swallowing;
    private int _unacknowledged;

    /// <summary>What the guest sees.</summary>
    public UsbDeviceDescription? Shown => _state == RedirectionState.Shown ? _device : null;

    public void TakeFromHost(in UsbredirPiece piece)
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
                link.Guest.Out.Write(piece.Bytes);
                break;
            case UsbredirPacketType.ControlPacket:
                TakeControlAnswer(piece);
                break;
            default:
                PassToGuest(piece);
                break;
        }
    }

    public void TakeFromGuest(in UsbredirPiece piece)
    {
        switch (piece.Type)
        {
            case UsbredirPacketType.FilterFilter:
                link.Host.Out.Write(piece.Bytes);
                return;
            case UsbredirPacketType.DeviceDisconnectAck when _unacknowledged > 0:
                _unacknowledged--;
                return;
            case UsbredirPacketType.FilterReject when _state == RedirectionState.Shown:
                _state = RedirectionState.Hidden;
                _hiddenByList = false;
                link.Host.Out.Write(piece.Bytes);
                report(UsbEventKind.Denied, _device, "the guest's own filter rejects it");
                return;
            case UsbredirPacketType.ControlPacket when _state == RedirectionState.Shown:
                _watch.Ask(piece.Id, UsbredirControl.Parse(piece.Body));
                break;
        }

        if (piece.IsFirst)
        {
            // What the guest sends to a device that it has lost, or before it knows, is for nobody.
            _swallowing = _unacknowledged > 0 || _state is RedirectionState.Hidden or RedirectionState.Probing;
        }

        if (!_swallowing)
        {
            link.Host.Out.Write(piece.Bytes);
        }
    }

    /// <summary>The list may have changed: judges the device again.</summary>
    public void Recheck()
    {
        if (_state == RedirectionState.Shown && _watch.Claims.Prepend(_device!).Select(Judge).FirstOrDefault(verdict => !verdict.Allowed) is { } denied)
        {
            Eject(denied.Reason);
        }
        else if (_state == RedirectionState.Hidden && _hiddenByList && (Judge(_device!).Allowed || (_device!.Serial is null && rules().AsksForSerial)))
        {
            // The host has let go of the device when it was rejected; connected anew, it offers it anew, and is asked anew.
            link.Close("a device that may be allowed now may connect again");
        }
    }

    private void Announce(in UsbredirPiece piece)
    {
        if (_state == RedirectionState.Shown)
        {
            link.Guest.Out.Write(piece.Bytes);
        }
        else
        {
            _announcement.Hold(piece);
        }
    }

    private void TakeInterfaces(in UsbredirPiece piece)
    {
        if (_state is RedirectionState.Shown or RedirectionState.Probing)
        {
            UsbDeviceDescription changed = _device! with { Interfaces = DeviceAnnouncement.InterfacesOf(piece) };
            if (_state == RedirectionState.Shown && !Accept(changed, "its interfaces have changed"))
            {
                return;
            }

            _device = changed;
        }

        Announce(piece);
    }

    private void TakeConnect(in UsbredirPiece piece)
    {
        if (_state is RedirectionState.Shown or RedirectionState.Probing)
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
            Interfaces = _announcement.Interfaces,
        };
        _watch.Clear();
        _announcement.Hold(piece);
        report(UsbEventKind.Plugged, _device, "the usbredir host offers it");
        if (rules().AsksForSerial)
        {
            _state = RedirectionState.Probing;
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
            _announcement.Release(link.Guest.Out);
            _state = RedirectionState.Shown;
        }
        else
        {
            _announcement.Clear();
            Hide();
        }
    }

    private void TakeDisconnect(in UsbredirPiece piece)
    {
        if (_state == RedirectionState.Shown)
        {
            link.Guest.Out.Write(piece.Bytes);
        }
        else if (link.Caps.HasFlag(UsbredirCaps.DeviceDisconnectAck))
        {
            // The guest does not know of the device and will not acknowledge: in its place.
            link.InsertToHost(UsbredirPacketType.DeviceDisconnectAck);
        }

        if (_state != RedirectionState.None)
        {
            report(UsbEventKind.Unplugged, _device, "the usbredir host has taken it away");
        }

        _state = RedirectionState.None;
        (_device, _probe) = (null, null);
        _announcement.Clear();
    }

    private void TakeControlAnswer(in UsbredirPiece piece)
    {
        var answer = UsbredirControl.Parse(piece.Body);
        ReadOnlySpan<byte> data = piece.Body[UsbredirFormat.ControlSize..];
        if (_state == RedirectionState.Probing && _probe!.Answer(piece.Id, answer, data))
        {
            TakeProbed();
        }
        else if (_state == RedirectionState.Shown && AcceptDescriptor(piece.Id, answer, data))
        {
            link.Guest.Out.Write(piece.Bytes);
        }
    }

    private void AskProbe()
    {
        SerialProbe probe = _probe!;
        link.InsertToHost(target => probe.Ask(target, link.Caps));
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
            _watch.Remember(claimed);
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

    private void PassToGuest(in UsbredirPiece piece)
    {
        if (_state == RedirectionState.Shown)
        {
            link.Guest.Out.Write(piece.Bytes);
        }
    }

    private void Eject(string reason)
    {
        report(UsbEventKind.Denied, _device, reason);
        if (link.Caps.HasFlag(UsbredirCaps.DeviceDisconnectAck) && link.Host.Reader.Streaming <= MaxFill)
        {
            // A transfer that is half sent is filled up, so that the guest finds the next header where it expects one.
            int fill = (int)link.Host.Reader.Streaming;
            link.Guest.Out.GetSpan(fill + 1)[..fill].Clear();
            link.Guest.Out.Advance(fill);
            UsbredirPacket.WriteEmpty(link.Guest.Out, link.Caps, UsbredirPacketType.DeviceDisconnect);
            _unacknowledged++;
        }
        else
        {
            // Without an acknowledgement nobody could tell the guest's old packets from new ones.
            link.Close("the device is not allowed any more");
        }

        Hide();
        report(UsbEventKind.Ejected, _device, reason);
    }

    private void Hide()
    {
        _state = RedirectionState.Hidden;
        _hiddenByList = true;
        if (link.Host.Caps!.Value.HasFlag(UsbredirCaps.Filter))
        {
            link.InsertToHost(UsbredirPacketType.FilterReject);
        }
        else
        {
            link.Close("the host cannot be told that its device is rejected");
        }
    }

    private UsbVerdict Judge(UsbDeviceDescription device) => rules().Judge(device, clock.GetUtcNow());
}
