namespace VmCrypt.Core.Usb.Rules;

/// <summary>Finds the first rule that matches among ten thousand without asking each.</summary>
/// <remarks>
/// Rules with the same exact fields share a bucket; a device is looked up once for each combination of exact fields that the list
/// uses (a handful in practice), and the smallest number wins. Wildcards in texts, versions, ports and times are tried rule by rule.
/// </remarks>
internal sealed class UsbRuleIndex
{
    private readonly UsbRule[] _rules;
    private readonly Dictionary<Key, List<int>> _buckets = [];
    private readonly Shape[] _shapes;

    // Denying rules that ask for a class or a serial, by the device alone: a device that does not show either matches them.
    private readonly Dictionary<(int Vendor, int Product), List<int>> _deniedUnseen = [];

    public UsbRuleIndex(UsbRule[] rules)
    {
        _rules = rules;
        var shapes = new HashSet<Shape>();
        for (int number = 0; number < rules.Length; number++)
        {
            UsbRule rule = rules[number];
            var shape = new Shape(rule.VendorId is not null, rule.ProductId is not null, rule.Class is not null, UsbGlob.IsExact(rule.Serial));
            shapes.Add(shape);
            Add(_buckets, new Key(Field(rule.VendorId), Field(rule.ProductId), Field(rule.Class), shape.Serial ? rule.Serial : null), number);
            if (!rule.Allow && (rule.Class is not null || rule.Serial is not null))
            {
                Add(_deniedUnseen, (Field(rule.VendorId), Field(rule.ProductId)), number);
            }
        }

        _shapes = [.. shapes];
    }

    /// <summary>Index of the first rule that matches, or -1.</summary>
    public int FirstMatch(UsbDeviceDescription device, UsbClassCode? code, DateTimeOffset now)
    {
        int best = _rules.Length;
        foreach (Shape shape in _shapes)
        {
            if ((shape.Class && code is null) || (shape.Serial && device.Serial is null))
            {
                continue;
            }

            var key = new Key(
                shape.Vendor ? device.VendorId : Any, shape.Product ? device.ProductId : Any,
                shape.Class ? code!.Value.BaseClass : Any, shape.Serial ? device.Serial : null);
            Search(_buckets.GetValueOrDefault(key), device, code, now, ref best);
        }

        if (_deniedUnseen.Count > 0 && (code is null || device.Serial is null))
        {
            foreach (int vendor in new[] { device.VendorId, Any })
            {
                Search(_deniedUnseen.GetValueOrDefault((vendor, device.ProductId)), device, code, now, ref best);
                Search(_deniedUnseen.GetValueOrDefault((vendor, Any)), device, code, now, ref best);
            }
        }

        return best == _rules.Length ? -1 : best;
    }

    private const int Any = -1;

    private void Search(List<int>? bucket, UsbDeviceDescription device, UsbClassCode? code, DateTimeOffset now, ref int best)
    {
        foreach (int number in bucket ?? [])
        {
            if (number >= best)
            {
                return;
            }

            if (Matches(_rules[number], device, code, now))
            {
                best = number;
                return;
            }
        }
    }

    private static bool Matches(UsbRule rule, UsbDeviceDescription device, UsbClassCode? code, DateTimeOffset now) =>
        (rule.VendorId is null || rule.VendorId == device.VendorId)
        && (rule.ProductId is null || rule.ProductId == device.ProductId)
        && Fits(rule.Class, code?.BaseClass, rule)
        && Fits(rule.Subclass, code?.Subclass, rule)
        && Fits(rule.Protocol, code?.Protocol, rule)
        && Fits(rule.Version, device.Version, rule)
        && Fits(rule.Serial, device.Serial, rule)
        && Fits(rule.Port, device.Port, rule)
        && rule.IsInForce(now);

    private static bool Fits<T>(T? wanted, T? shown, UsbRule rule)
        where T : struct => wanted is null || (shown is null ? !rule.Allow : wanted.Value.Equals(shown.Value));

    private static bool Fits(string? wanted, string? shown, UsbRule rule) =>
        wanted is null || (shown is null ? !rule.Allow : UsbGlob.Matches(wanted, shown));

    private static int Field<T>(T? value)
        where T : struct, IConvertible => value?.ToInt32(null) ?? Any;

    private static void Add<TKey>(Dictionary<TKey, List<int>> index, TKey key, int number)
        where TKey : notnull
    {
        if (!index.TryGetValue(key, out List<int>? bucket))
        {
            index.Add(key, bucket = []);
        }

        bucket.Add(number);
    }

    private readonly record struct Key(int Vendor, int Product, int Class, string? Serial);

    private readonly record struct Shape(bool Vendor, bool Product, bool Class, bool Serial);
}
