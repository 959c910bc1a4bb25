using System.Text.Json.Nodes;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>How a passphrase becomes the key of a slot, as the metadata says it.</summary>
/// <param name="Iterations">Of PBKDF2, or passes of Argon2 over its memory.</param>
/// <param name="MemoryKiB">Of Argon2.</param>
/// <param name="Lanes">Of Argon2.</param>
/// <param name="Hash">Of PBKDF2; empty for Argon2.</param>
/// <param name="Salt">Base64.</param>
internal sealed record Luks2Kdf(string Type, uint Iterations, uint MemoryKiB, uint Lanes, string Hash, string Salt)
{
    public const string Pbkdf2Type = "pbkdf2";
    public const string Argon2iType = "argon2i";
    public const string Argon2idType = "argon2id";

    private static readonly string[] s_pbkdf2Members = ["type", "hash", "iterations", "salt"];
    private static readonly string[] s_argon2Members = ["type", "time", "memory", "cpus", "salt"];

    public static Luks2Kdf Parse(Luks2Members kdf)
    {
        string type = kdf.Text("type");
        return type switch
        {
            Pbkdf2Type => new Luks2Kdf(type, kdf.UInt32("iterations"), 0, 1, kdf.Text("hash"), kdf.Text("salt")),
            Argon2iType or Argon2idType =>
                new Luks2Kdf(type, kdf.UInt32("time"), kdf.UInt32("memory"), kdf.UInt32("cpus"), string.Empty, kdf.Text("salt")),
            _ => new Luks2Kdf(type, 0, 0, 1, string.Empty, string.Empty),
        };
    }

    /// <summary>
    /// Takes members of another type out of a slot's <c>kdf</c>: cryptsetup before 2.0.3 left them there when it changed a passphrase,
    /// and later versions take a slot that has them for damaged, or repair it as they read it.
    /// </summary>
    public static void DropLeftovers(JsonObject kdf)
    {
        string[]? known = kdf["type"] is JsonValue value && value.TryGetValue(out string? type)
            ? type switch
            {
                Pbkdf2Type => s_pbkdf2Members,
                Argon2iType or Argon2idType => s_argon2Members,
                _ => null,
            }
            : null;
        foreach (string member in known is null ? [] : kdf.Select(member => member.Key).Except(known).ToArray())
        {
            kdf.Remove(member);
        }
    }

    public JsonObject ToJson() => Type == Pbkdf2Type
        ? new JsonObject { ["type"] = Type, ["hash"] = Hash, ["iterations"] = Iterations, ["salt"] = Salt }
        : new JsonObject { ["type"] = Type, ["time"] = Iterations, ["memory"] = MemoryKiB, ["cpus"] = Lanes, ["salt"] = Salt };
}
