using System.Buffers;
using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>Stands between the two ends of a usbredir connection, without their sockets: passes on what is allowed.</summary>
/// <remarks>
/// Both hellos pass, less the capabilities that nobody knew in version 0.7; what follows goes through <see cref="RedirectedDevice"/>.
/// Not for several threads at once.
/// </remarks>
internal sealed class UsbredirFirewall
{
    private const int MaxHeld = 1024 * 1024;

    private readonly UsbredirLink _link = new();
    private readonly RedirectedDevice _device;

    public UsbredirFirewall(Func<UsbRuleSet> rules, TimeProvider clock, Action<UsbEventKind, UsbDeviceDescription?, string> report) =>
        _device = new RedirectedDevice(_link, rules, clock, report);

    /// <summary>The side of the host; the caller sends what is in its <see cref="UsbredirEnd.Out"/>.</summary>
    public UsbredirEnd Host => _link.Host;

    /// <summary>The side of the guest; the caller sends what is in its <see cref="UsbredirEnd.Out"/>.</summary>
    public UsbredirEnd Guest => _link.Guest;

    /// <inheritdoc cref="UsbredirLink.Closing"/>
    public string? Closing => _link.Closing;

    /// <inheritdoc cref="UsbredirLink.Features"/>
    public UsbredirCaps? Features => _link.Features;

    /// <inheritdoc cref="RedirectedDevice.Shown"/>
    public UsbDeviceDescription? Shown => _device.Shown;

    /// <summary>Takes what one side has sent.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbredirInvalid"/>: close both connections.</exception>
    public void Receive(UsbredirSide from, ReadOnlySpan<byte> bytes)
    {
        UsbredirEnd end = from == UsbredirSide.Host ? Host : Guest;
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
        if (Closing is null)
        {
            _device.Recheck();
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
            else if (end == Host)
            {
                _device.TakeFromHost(piece);
            }
            else
            {
                _device.TakeFromGuest(piece);
            }

            if (piece.Remaining == 0)
            {
                _link.Other(end).FlushDeferred();
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

        UsbredirEnd other = _link.Other(end);
        Span<byte> hello = other.Out.GetSpan(piece.Bytes.Length)[..piece.Bytes.Length];
        piece.Bytes.CopyTo(hello);
        Span<byte> known = hello[(hello.Length - words.Length)..];
        known.Clear();
        if (!known.IsEmpty)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(known, (uint)end.Caps);
        }

        other.Out.Advance(hello.Length);
        if (Host.Caps is { } host && Guest.Caps is { } guest)
        {
            _link.Features = UsbredirFormat.Common(host, guest);
            byte[] held = other.Held.WrittenSpan.ToArray();
            other.Held.Clear();
            Read(other, held);
        }
    }
}
