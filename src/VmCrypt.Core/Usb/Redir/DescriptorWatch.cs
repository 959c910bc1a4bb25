using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>Reads the descriptors that pass by, for what a device says of itself to the guest must be what it said when it was judged.</summary>
internal sealed class DescriptorWatch
{
    private const int MaxAsked = 256;

    private readonly Dictionary<ulong, UsbredirControl> _asked = [];
    private byte? _serialIndex;

    /// <summary>Another device comes: nothing is known of it.</summary>
    public void Clear()
    {
        _asked.Clear();
        _serialIndex = null;
    }

    /// <summary>The guest asks for something.</summary>
    public void Ask(ulong id, in UsbredirControl control)
    {
        if (control.IsGetDescriptor && (_asked.Count < MaxAsked || _asked.ContainsKey(id)))
        {
            _asked[id] = control;
        }
    }

    /// <summary>The device answers: what it thereby claims to be, or null if the answer says nothing new.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbDescriptorInvalid"/>.</exception>
    public UsbDeviceDescription? Answer(ulong id, in UsbredirControl answer, ReadOnlySpan<byte> data, UsbDeviceDescription known)
    {
        if (!_asked.Remove(id, out UsbredirControl asked) || answer.Status != 0)
        {
            return null;
        }

        return asked.DescriptorType switch
        {
            // Hosts first ask for the first eight bytes alone.
            UsbDeviceDescriptor.Type when data.Length >= UsbDeviceDescriptor.Size => Device(UsbDeviceDescriptor.Parse(data), known),
            UsbConfiguration.Type when data.Length >= 9 && UsbConfiguration.TotalLength(data) is var total && total <= data.Length =>
                UsbConfiguration.Parse(data[..total]).Classes is var classes && known.Interfaces?.SequenceEqual(classes) == true ? null : known with { Interfaces = classes },
            UsbStringDescriptor.Type when asked.DescriptorIndex == _serialIndex && data.Length >= 2 && data.Length >= data[0] =>
                UsbStringDescriptor.Parse(data) is var serial && serial == known.Serial ? null : known with { Serial = serial },
            _ => null,
        };
    }

    private UsbDeviceDescription? Device(UsbDeviceDescriptor device, UsbDeviceDescription known)
    {
        _serialIndex = device.SerialIndex == 0 ? null : device.SerialIndex;
        UsbDeviceDescription claimed = known with
        {
            VendorId = device.VendorId,
            ProductId = device.ProductId,
            Version = device.Version,
            DeviceClass = device.Class,
            Serial = device.SerialIndex == 0 ? string.Empty : known.Serial,
        };
        return claimed == known ? null : claimed;
    }
}
