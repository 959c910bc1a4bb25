using System.Globalization;
using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Ovirt;

/// <summary>How a volume's bytes are laid out.</summary>
public enum OvirtFormat
{
    Raw,

    /// <summary>qcow2.</summary>
    Cow,
}

public enum OvirtAllocation
{
    Preallocated,
    Sparse,

    /// <summary>Volumes of old domains do not say.</summary>
    Unknown,
}

/// <summary>Where a volume stands in its chain.</summary>
public enum OvirtRole
{
    /// <summary>The guest writes it.</summary>
    Leaf,

    /// <summary>A snapshot stands on it.</summary>
    Internal,

    /// <summary>A template, on which the disks of several VMs stand.</summary>
    Shared,
}

public enum OvirtLegality
{
    Legal,

    /// <summary>Half made or half removed.</summary>
    Illegal,

    /// <summary>Its parent was removed.</summary>
    Fake,
}

/// <summary>What vdsm keeps of a volume in the file VOLUME.meta beside it: lines KEY=VALUE up to EOF.</summary>
/// <remarks>Domains up to version 4 say the size as SIZE in sectors of 512 bytes, version 5 as CAP in bytes. (vdsm, storage/volumemetadata.py.)</remarks>
public sealed record OvirtMeta
{
    /// <summary>vdsm writes one block, at most 8 KiB.</summary>
    internal const int MaxBytes = 8192;

    private const long MaxCapacity = 1L << 53;
    private const int SectorSize = 512;

    public required Guid DomainUuid { get; init; }

    /// <summary>The image that the volume was made for; of a template's volume, the template's.</summary>
    public required Guid ImageUuid { get; init; }

    /// <summary>The volume that this one stands on; null for none.</summary>
    public Guid? ParentUuid { get; init; }

    public required OvirtFormat Format { get; init; }

    public required OvirtAllocation Allocation { get; init; }

    public required OvirtRole Role { get; init; }

    public required OvirtLegality Legality { get; init; }

    /// <summary>Bytes that the guest sees.</summary>
    public required long Capacity { get; init; }

    public required DateTimeOffset Created { get; init; }

    public long Generation { get; init; }

    /// <summary>As the engine wrote it: free text, or JSON with the disk's alias.</summary>
    public string Description { get; init; } = string.Empty;

    /// <summary>The disk's name in the engine; null where the description does not hold one.</summary>
    public string? Alias => AliasIn(Description);

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.OvirtMetaInvalid"/>.</exception>
    public static OvirtMeta Parse(string text, string source)
    {
        var fields = new Fields(text, source);
        return new OvirtMeta
        {
            DomainUuid = fields.Uuid("DOMAIN"),
            ImageUuid = fields.Uuid("IMAGE"),
            ParentUuid = fields.Uuid("PUUID") is var parent && parent == Guid.Empty ? null : parent,
            Format = fields.Choice<OvirtFormat>("FORMAT"),
            Allocation = fields.Choice<OvirtAllocation>("TYPE"),
            Role = fields.Choice<OvirtRole>("VOLTYPE"),
            Legality = fields.Choice<OvirtLegality>("LEGALITY"),
            Capacity = fields.Find("CAP") is not null
                ? fields.Number("CAP", MaxCapacity)
                : fields.Number("SIZE", MaxCapacity / SectorSize) * SectorSize,
            Created = DateTimeOffset.FromUnixTimeSeconds(fields.Number("CTIME", uint.MaxValue)),
            Generation = fields.Find("GEN") is null ? 0 : fields.Number("GEN", long.MaxValue),
            Description = fields.Find("DESCRIPTION") ?? string.Empty,
        };
    }

    private static string? AliasIn(string description)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(description);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("DiskAlias", out JsonElement alias)
                && alias.ValueKind == JsonValueKind.String ? alias.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed class Fields
    {
        private const string End = "EOF";

        private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
        private readonly string _source;

        public Fields(string text, string source)
        {
            _source = source;
            foreach (string line in text.Split('\n'))
            {
                if (line.StartsWith(End, StringComparison.Ordinal))
                {
                    return;
                }

                int equals = line.IndexOf('=', StringComparison.Ordinal);
                if (equals > 0 && !_values.TryAdd(line[..equals].Trim(), line[(equals + 1)..].Trim()))
                {
                    throw Invalid($"{line[..equals].Trim()} stands there twice");
                }
            }

            throw Invalid($"the line {End} is missing, so it is not whole");
        }

        public string? Find(string key) => _values.GetValueOrDefault(key);

        public Guid Uuid(string key) => Guid.TryParseExact(Require(key), "D", out Guid uuid) ? uuid : throw Invalid($"{key} is '{Find(key)}', and must be a UUID");

        public T Choice<T>(string key)
            where T : struct, Enum
        {
            string value = Require(key);
            foreach (T choice in Enum.GetValues<T>())
            {
                string name = choice.ToString().ToUpperInvariant();
                if (name == value)
                {
                    return choice;
                }
            }

            throw Invalid($"{key} is '{value}', and must be {string.Join(", ", Enum.GetNames<T>()).ToUpperInvariant()}");
        }

        public long Number(string key, long most) =>
            long.TryParse(Require(key), NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number <= most
                ? number
                : throw Invalid($"{key} is '{Find(key)}', and must be a number up to {most}");

        private string Require(string key) => Find(key) ?? throw Invalid($"{key} is missing");

        private InvalidImageException Invalid(string fault) => new(ErrorIds.OvirtMetaInvalid, $"{_source}: {fault}.");
    }
}
