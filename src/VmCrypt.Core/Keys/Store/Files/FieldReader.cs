using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Reads fields of varying length one after the other; every length is checked before it is used.</summary>
internal ref struct FieldReader(ReadOnlySpan<byte> source)
{
    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // The end of the year 9999.
    private const long LastMillisecond = 253_402_300_799_999;

    private ReadOnlySpan<byte> _rest = source;

    public static InvalidImageException Damaged(string what) => new(ErrorIds.KeyStoreDamaged, $"{what}.");

    public ReadOnlySpan<byte> Bytes(string field, int count)
    {
        if (count > _rest.Length)
        {
            throw Damaged($"A record ends {count - _rest.Length} bytes before the end of its field {field}");
        }

        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public byte Byte(string field) => Bytes(field, 1)[0];

    public ushort UInt16(string field) => BinaryPrimitives.ReadUInt16BigEndian(Bytes(field, 2));

    public long Int64(string field) => BinaryPrimitives.ReadInt64BigEndian(Bytes(field, 8));

    public ReadOnlySpan<byte> Block(string field, int max)
    {
        int length = UInt16(field);
        return length <= max ? Bytes(field, length) : throw Damaged($"The field {field} of a record has {length} bytes; it has at most {max}");
    }

    public string? Text(string field, int max)
    {
        ReadOnlySpan<byte> bytes = Block(field, max);
        try
        {
            return bytes.IsEmpty ? null : s_strictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Damaged($"The field {field} of a record is not UTF-8");
        }
    }

    public Guid Guid(string field) => new(Bytes(field, 16), bigEndian: true);

    public Guid? OptionalGuid(string field) => Byte(field) switch
    {
        0 => null,
        1 => Guid(field),
        var other => throw Damaged($"The mark before the field {field} of a record is {other}; it is 0 or 1"),
    };

    /// <summary>A moment in milliseconds since 1970.</summary>
    public DateTimeOffset Time(string field)
    {
        long milliseconds = Int64(field);
        return milliseconds is >= 0 and <= LastMillisecond
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : throw Damaged($"The field {field} of a record is {milliseconds}, which is no time");
    }

    public readonly void RequireEnd(string what)
    {
        if (_rest.Length > 0)
        {
            throw Damaged($"{what} has {_rest.Length} bytes behind its last field");
        }
    }
}
