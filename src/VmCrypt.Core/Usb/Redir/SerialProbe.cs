using System.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>Asks a device for its serial number before the guest gets to see it: device descriptor, languages, string.</summary>
internal sealed class SerialProbe
{
    // The guest has no packets under way to a device that it does not see, so any id will do.
    private const ulong FirstId = 0x7fff_ff00;

    private const ushort MaxString = 255;

    private Step _step = Step.Device;
    private byte _index;
    private ushort _language;

    private enum Step
    {
        Device,
        Languages,
        Serial,
        Done,
    }

    /// <summary>The serial number: "" for a device that has none, null while or where it cannot be had.</summary>
    public string? Serial { get; private set; }

    public bool IsDone => _step == Step.Done;

    /// <summary>Writes the next question.</summary>
    public void Ask(IBufferWriter<byte> host, UsbredirCaps caps)
    {
        (byte type, byte index, ushort language, ushort length) = _step switch
        {
            Step.Device => (UsbDeviceDescriptor.Type, (byte)0, (ushort)0, (ushort)UsbDeviceDescriptor.Size),
            Step.Languages => (UsbStringDescriptor.Type, (byte)0, (ushort)0, MaxString),
            _ => (UsbStringDescriptor.Type, _index, _language, MaxString),
        };
        UsbredirControl.WriteGetDescriptor(host, caps, FirstId + (ulong)_step, type, index, language, length);
    }

    /// <summary>Takes an answer of the device.</summary>
    /// <returns>False for one to another's question.</returns>
    public bool Answer(ulong id, in UsbredirControl answer, ReadOnlySpan<byte> data)
    {
        if (IsDone || id != FirstId + (ulong)_step)
        {
            return false;
        }

        try
        {
            _step = answer.Status == 0 ? Next(data) : Step.Done;
        }
        catch (ProtocolException fault) when (fault.ErrorId == ErrorIds.UsbDescriptorInvalid)
        {
            // A device that cannot tell its serial number does not show it.
            _step = Step.Done;
        }

        return true;
    }

    private Step Next(ReadOnlySpan<byte> data)
    {
        switch (_step)
        {
            case Step.Device:
                _index = UsbDeviceDescriptor.Parse(data).SerialIndex;
                Serial = _index == 0 ? string.Empty : null;
                return _index == 0 ? Step.Done : Step.Languages;
            case Step.Languages:
                _language = UsbStringDescriptor.FirstLanguage(data);
                return Step.Serial;
            default:
                Serial = UsbStringDescriptor.Parse(data);
                return Step.Done;
        }
    }
}
