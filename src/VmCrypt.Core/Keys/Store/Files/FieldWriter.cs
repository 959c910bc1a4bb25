using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Writes fields of varying length one after the other; the mirror of <see cref="FieldReader"/>.</summary>
internal sealed class FieldWriter
{
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: false);

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Bytes of a text, without its length.</summary>
    public static int LengthOf(string text) => s_utf8.GetByteCount(text);

    public void Byte(byte value) => Take(1)[0] = value;

    public void UInt16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64BigEndian(Take(8), value);

    public void Bytes(ReadOnlySpan<byte> value) => _bytes.Write(value);

    /// <summary>Two bytes of length, then so many bytes.</summary>
    public void Block(ReadOnlySpan<byte> value)
    {
        UInt16(checked((ushort)value.Length));
        Bytes(value);
    }

    /// <summary>UTF-8 behind its length; a text that is not there has the length 0.</summary>
    public void Text(string? value) => Block(s_utf8.GetBytes(value ?? string.Empty));

    public void Guid(Guid value) => value.TryWriteBytes(Take(16), bigEndian: true, out _);

    /// <summary>One byte that says whether sixteen follow.</summary>
    public void Guid(Guid? value)
    {
        Byte(value is null ? (byte)0 : (byte)1);
        if (value is { } there)
        {
            Guid(there);
        }
    }

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    private Span<byte> Take(int count)
    {
        Span<byte> taken = _bytes.GetSpan(count)[..count];
        _bytes.Advance(count);
        return taken;
    }
}
