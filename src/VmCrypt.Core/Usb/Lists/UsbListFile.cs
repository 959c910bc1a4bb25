using System.Text;
using System.Text.Json.Serialization;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Lists;

/// <summary>A list as its file holds it: the rules are lines of <see cref="UsbRuleText"/>, for people to read and edit.</summary>
internal sealed record UsbListFile
{
    public const string Extension = ".json";

    private const string DefaultName = "default";
    private const string VmPrefix = "vm-";
    private const int MaxNameLength = 80;

    // 255 bytes, less what the name of a temporary file beside it adds.
    private const int MaxFileNameLength = 200;

    public string? Vm { get; init; }

    // Has a setter, because the generated reader would put null over the default of an init-only member.
    public IReadOnlyList<string> Rules { get; set; } = [];

    public static UsbListFile From(UsbWhitelist list) => new() { Vm = list.Vm, Rules = [.. list.Rules.Select(rule => rule.Checked().ToString())] };

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>.</exception>
    public UsbWhitelist ToWhitelist() => new() { Vm = Vm, Rules = [.. Rules.Select(UsbRuleText.Parse)] };

    /// <summary>The file of a VM's list; the name's odd characters are written as %XX of their UTF-8 bytes.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbVmNameInvalid"/>.</exception>
    public static string NameOf(string? vm) => TryNameOf(vm) ?? throw new InvalidInputException(ErrorIds.UsbVmNameInvalid,
        $"'{vm}' is no name of a VM with a list: it has 1 to {MaxNameLength} characters, no control characters, and at most {MaxFileNameLength} bytes as a file's name.");

    /// <summary>As <see cref="NameOf"/>; null where no list can have the name.</summary>
    public static string? TryNameOf(string? vm)
    {
        if (vm is null)
        {
            return DefaultName + Extension;
        }

        if (vm.Length is 0 or > MaxNameLength || vm.Any(char.IsControl))
        {
            return null;
        }

        // One VM, one file: a UUID has many spellings.
        string key = Guid.TryParse(vm, out Guid uuid) ? uuid.ToString("D") : vm;
        var name = new StringBuilder(VmPrefix);
        foreach (byte unit in Encoding.UTF8.GetBytes(key))
        {
            _ = char.IsAsciiLetterOrDigit((char)unit) || unit is (byte)'-' or (byte)'_' or (byte)'.' ? name.Append((char)unit) : name.Append($"%{unit:X2}");
        }

        return name.Length <= MaxFileNameLength ? name.Append(Extension).ToString() : null;
    }

    /// <summary>The VM of a file's name, null for the default list; false for a file that holds no list.</summary>
    public static bool TryVmOf(string fileName, out string? vm)
    {
        vm = null;
        if (!fileName.EndsWith(Extension, StringComparison.Ordinal))
        {
            return false;
        }

        string name = fileName[..^Extension.Length];
        if (name == DefaultName)
        {
            return true;
        }

        if (!name.StartsWith(VmPrefix, StringComparison.Ordinal))
        {
            return false;
        }

        vm = Uri.UnescapeDataString(name[VmPrefix.Length..]);
        return TryNameOf(vm) == fileName;
    }
}

[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(UsbListFile))]
internal sealed partial class UsbListContext : JsonSerializerContext;
