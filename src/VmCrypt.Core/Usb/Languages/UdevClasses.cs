using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>The classes that the allowing rules so far allow, to every device and to each one that they name.</summary>
internal sealed class UdevClasses
{
    /// <summary>The most patterns in one line: udev ignores lines of more than 16 KiB.</summary>
    public const int MaxPatterns = 90;

    private readonly Dictionary<string, Allowed> _byDevice = [];

    /// <summary>Interface types as udev writes them, with wildcards.</summary>
    public static string Pattern(UsbRule rule) => $"{rule.Class:x2}{rule.Subclass?.ToString("x2") ?? "??"}{rule.Protocol?.ToString("x2") ?? "??"}";

    /// <param name="device">udev's condition for the device that the rule names, "" for any.</param>
    public void Add(string device, UsbRule rule)
    {
        if (!_byDevice.TryGetValue(device, out Allowed? allowed))
        {
            _byDevice.Add(device, allowed = new Allowed());
        }

        allowed.Add(rule);
    }

    /// <summary>The interface types and classes of its own that a device may have; null where any.</summary>
    public (IReadOnlyList<string> Patterns, IReadOnlyList<string> Own)? Of(string device)
    {
        Allowed[] covering = [.. new[] { device, string.Empty }.Distinct().Select(key => _byDevice.GetValueOrDefault(key)).OfType<Allowed>()];
        return covering.Any(allowed => allowed.Everything)
            ? null
            : ([.. covering.SelectMany(allowed => allowed.Patterns).Distinct().TakeLast(MaxPatterns)],
                [.. covering.SelectMany(allowed => allowed.Own).Prepend("ef").Prepend("00").Distinct()]);
    }

    private sealed class Allowed
    {
        private readonly HashSet<string> _known = [];

        public bool Everything { get; private set; }

        public List<string> Patterns { get; } = [];

        public List<string> Own { get; } = [];

        public void Add(UsbRule rule)
        {
            Everything |= rule.Class is null;
            if (rule.Class is null || !_known.Add(Pattern(rule)))
            {
                return;
            }

            Patterns.Add(Pattern(rule));
            if (Patterns.Count > MaxPatterns)
            {
                _known.Remove(Patterns[0]);
                Patterns.RemoveAt(0);
            }

            if (rule.Subclass is null && !Own.Contains($"{rule.Class:x2}"))
            {
                Own.Add($"{rule.Class:x2}");
            }
        }
    }
}
