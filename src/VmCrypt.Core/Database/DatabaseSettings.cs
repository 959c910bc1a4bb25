using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Core.Database;

/// <summary>Where the state that several hosts share lies; empty for no such place.</summary>
internal sealed record DatabaseSettings
{
    public const string FileName = "database.json";

    /// <summary>As Npgsql reads it, without a password.</summary>
    public string? Connection { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DatabaseSettings))]
internal sealed partial class DatabaseSettingsContext : JsonSerializerContext;
