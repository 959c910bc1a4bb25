using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>One of QEMU's user-creatable objects, as <c>-object</c> and as <c>object-add</c> take it.</summary>
public sealed partial class QemuObject
{
    private readonly JsonObject _options;

    /// <param name="properties">In QEMU's names; those without a value are left out.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.QemuOptionInvalid"/>.</exception>
    internal QemuObject(string type, string id, params (string Key, JsonNode? Value)[] properties)
    {
        Type = type;
        Id = RequireId(id);
        _options = QemuOptions.Of([("qom-type", type), ("id", id), .. properties]);
    }

    public string Type { get; }

    public string Id { get; }

    /// <summary>What follows <c>-object</c>: <c>type,key=value,…</c>, or JSON where something is nested, of which QEMU 7.2 takes one key only with dots.</summary>
    public string Argument => _options.Any(option => option.Value is not JsonValue) ? Json : $"{Type},{QemuOptions.ToKeyValues(Properties())}";

    /// <summary>The same as JSON, for <c>-object</c> and as the arguments of QMP's <c>object-add</c>.</summary>
    public string Json => _options.ToJsonString();

    public override string ToString() => Argument;

    internal JsonObject ToQmp() => (JsonObject)_options.DeepClone();

    /// <summary>QEMU's own rule for the names of objects and nodes.</summary>
    internal static string RequireId(string id) => WellFormed().IsMatch(id)
        ? id
        : throw new InvalidInputException(ErrorIds.QemuOptionInvalid, $"The id is '{id}'; it begins with a letter and has letters, digits and - . _ only.");

    private JsonObject Properties()
    {
        JsonObject properties = ToQmp();
        properties.Remove("qom-type");
        return properties;
    }

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9\-._]*\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex WellFormed();
}
