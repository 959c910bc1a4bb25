using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace VmCrypt.Core.Tests.Luks.Luks2;

/// <summary>The bytes of a LUKS2 disk, to change field by field and seal again; knows nothing of the code under test.</summary>
public sealed class Luks2Disk(byte[] bytes)
{
    public const int BinarySize = 4096;

    private const int Checksum = 448;

    public byte[] Bytes => bytes;

    /// <summary>Bytes of one copy; set it before anything else is changed.</summary>
    public int HeaderSize { get; private set; } = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(8));

    public Span<byte> Copy(int copy) => bytes.AsSpan(copy * HeaderSize, HeaderSize);

    public Span<byte> JsonArea(int copy) => Copy(copy)[BinarySize..];

    public string Text(int copy = 0) => Encoding.UTF8.GetString(JsonArea(copy)).TrimEnd('\0');

    public JsonObject Json(int copy = 0) => JsonNode.Parse(Text(copy))!.AsObject();

    /// <summary>Changes the metadata of both copies.</summary>
    public Luks2Disk Edit(Action<JsonObject> change)
    {
        JsonObject json = Json();
        change(json);
        return Put(json.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
    }

    /// <summary>Gives both copies another text.</summary>
    public Luks2Disk Put(string text) => Put(Encoding.UTF8.GetBytes(text));

    public Luks2Disk Put(ReadOnlySpan<byte> text)
    {
        for (int copy = 0; copy < 2; copy++)
        {
            JsonArea(copy).Clear();
            text.CopyTo(JsonArea(copy));
            Seal(copy);
        }

        return this;
    }

    /// <summary>Changes a field of both binary headers.</summary>
    public Luks2Disk Put64(int offset, ulong first, ulong? second = null)
    {
        Span<byte> one = Copy(0);
        Span<byte> two = Copy(1);
        BinaryPrimitives.WriteUInt64BigEndian(one[offset..], first);
        BinaryPrimitives.WriteUInt64BigEndian(two[offset..], second ?? first);
        Seal(0);
        Seal(1);
        return this;
    }

    /// <summary>Makes the checksum of a copy right.</summary>
    public Luks2Disk Seal(int copy)
    {
        Span<byte> all = Copy(copy);
        all.Slice(Checksum, 64).Clear();
        SHA256.HashData(all).CopyTo(all[Checksum..]);
        return this;
    }

    /// <summary>Destroys the magic of a copy.</summary>
    public Luks2Disk Kill(int copy)
    {
        "VACUUM"u8.CopyTo(Copy(copy));
        return this;
    }

    public ulong SequenceId(int copy) => BinaryPrimitives.ReadUInt64BigEndian(Copy(copy)[16..]);

    /// <summary>Gives a copy another sequence id.</summary>
    public Luks2Disk SetSequenceId(int copy, ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Copy(copy)[16..], value);
        return Seal(copy);
    }
}
