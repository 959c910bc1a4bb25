using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>Reads the descriptors that pass by, for what a device says of itself to the guest must be what it said when it was judged.</summary>
internal sealed class DescriptorWatch
{
    private const int MaxAsked = 256;
    private const int MaxClaims = 64;

    private readonly Dictionary<ulong, UsbredirControl> _asked = [];
    private readonly List<UsbDeviceDescription> _claims = [];
    private byte? _serialIndex;

    /// <summary>Everything that the device has claimed to be, besides what it was announced as.</summary>
    public IReadOnlyList<UsbDeviceDescription> Claims => _claims;

    /// <summary>Another device comes: nothing is known of it.</summary>
    public void Clear()
    {
        _asked.Clear();
        _claims.Clear();
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
            UsbConfiguration.Type when data.Length > UsbConfiguration.HeaderSize => Configuration(data, known),
            UsbStringDescriptor.Type when asked.DescriptorIndex == _serialIndex && data.Length >= 2 && data.Length >= data[0] =>
                UsbStringDescriptor.Parse(data) is var serial && serial == known.Serial ? null : known with { Serial = serial },
            _ => null,
        };
    }

    /// <summary>Keeps a claim, to be judged again with the device.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.UsbredirInvalid"/>: the device claims too much.</exception>
    public void Remember(UsbDeviceDescription claimed)
    {
        if (_claims.Exists(known => known with { Interfaces = null } == claimed with { Interfaces = null } && known.Interfaces?.SequenceEqual(claimed.Interfaces ?? []) == true))
        {
            return;
        }

        if (_claims.Count == MaxClaims)
        {
            throw UsbredirFormat.Invalid(UsbredirSide.Host, $"showed more than {MaxClaims} different descriptors of one device");
        }

        _claims.Add(claimed);
    }

    // A guest makes do with a configuration that is shorter than it says, so what is there counts; and as nobody knows what is not,
    // it counts beside the interfaces that are known.
    private static UsbDeviceDescription? Configuration(ReadOnlySpan<byte> data, UsbDeviceDescription known)
    {
        int total = UsbConfiguration.TotalLength(data);
        IReadOnlyList<UsbClassCode> classes = UsbConfiguration.Read(data[..Math.Min(total, data.Length)]).Classes;
        if (total > data.Length)
        {
            IReadOnlyList<UsbClassCode> shown = known.Interfaces ?? [];
            classes = [.. shown, .. classes.Except(shown)];
        }

        return known.Interfaces?.SequenceEqual(classes) == true ? null : known with { Interfaces = classes };
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
