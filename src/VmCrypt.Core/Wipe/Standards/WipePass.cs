using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Core.Wipe.Standards;

public enum WipePassKind
{
    /// <summary>Bytes repeated from offset 0 on.</summary>
    Pattern,

    /// <summary>A random stream.</summary>
    Random,

    /// <summary>One random byte, repeated.</summary>
    RandomByte,

    /// <summary>Every bit the opposite of what an earlier pass wrote.</summary>
    Complement,
}

/// <summary>What one pass writes, as a standard words it: <c>0x924924</c>, <c>random</c>, <c>byte</c> or <c>~2</c>.</summary>
[JsonConverter(typeof(WipePassConverter))]
public sealed record WipePass
{
    /// <summary>Bytes of the longest pattern.</summary>
    public const int MaxPattern = 256;

    private WipePass(WipePassKind kind) => Kind = kind;

    public WipePassKind Kind { get; }

    /// <summary>The bytes of a <see cref="WipePassKind.Pattern"/>, else empty.</summary>
    public ReadOnlyMemory<byte> Pattern { get; private init; }

    /// <summary>The number, from 1, of the pass that a <see cref="WipePassKind.Complement"/> inverts.</summary>
    public int Of { get; private init; }

    public static WipePass Zeros { get; } = new(WipePassKind.Pattern) { Pattern = new byte[1] };

    /// <summary>Reads the notation; null where it is none.</summary>
    public static WipePass? TryParse(string text)
    {
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            return ParsePattern(text.AsSpan(2));
        }

        if (text.StartsWith('~'))
        {
            return int.TryParse(text.AsSpan(1), NumberStyles.None, null, out int of) ? new WipePass(WipePassKind.Complement) { Of = of } : null;
        }

        return text.ToLowerInvariant() switch
        {
            "random" => new WipePass(WipePassKind.Random),
            "byte" => new WipePass(WipePassKind.RandomByte),
            _ => null,
        };
    }

    public override string ToString() => Kind switch
    {
        WipePassKind.Pattern => "0x" + Convert.ToHexString(Pattern.Span),
        WipePassKind.Random => "random",
        WipePassKind.RandomByte => "byte",
        _ => $"~{Of}",
    };

    private static WipePass? ParsePattern(ReadOnlySpan<char> hex)
    {
        if (hex.Length == 0 || hex.Length % 2 != 0 || hex.Length > 2 * MaxPattern)
        {
            return null;
        }

        byte[] bytes = new byte[hex.Length / 2];
        return Convert.FromHexString(hex, bytes, out _, out int written) == System.Buffers.OperationStatus.Done && written == bytes.Length
            ? new WipePass(WipePassKind.Pattern) { Pattern = bytes }
            : null;
    }
}

/// <summary>A pass in JSON is its notation.</summary>
internal sealed class WipePassConverter : JsonConverter<WipePass>
{
    public override WipePass Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        WipePass.TryParse(reader.GetString() ?? string.Empty) ?? throw new JsonException();

    public override void Write(Utf8JsonWriter writer, WipePass value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
