using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2.InPlace;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The optional sections between the header and the backing file name.</summary>
/// <remarks>Each is: type 0 (32 bits), length 4 (32 bits), data 8, padding to a multiple of 8. Type 0 ends the list.</remarks>
internal sealed record Qcow2HeaderExtensions
{
    public const uint End = 0;
    public const uint BackingFormatType = 0xE2792ACA;
    public const uint FeatureNamesType = 0x6803F857;
    public const uint BitmapsType = 0x23852875;
    public const uint EncryptionHeaderType = 0x0537BE77;
    public const uint DataFileType = 0x44415441;

    private const int PrefixBytes = 8;

    public string? BackingFormat { get; init; }

    public IReadOnlyList<Qcow2FeatureName> FeatureNames { get; init; } = [];

    public Qcow2BitmapsPointer? Bitmaps { get; init; }

    public Qcow2EncryptionHeader? EncryptionHeader { get; init; }

    public string? DataFile { get; init; }

    public ConversionPointer? Conversion { get; init; }

    /// <param name="area">From the end of the header to the backing file name or the end of the first cluster.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ExtensionInvalid"/>, <see cref="ErrorIds.Qcow2ExtensionDuplicate"/>.</exception>
    public static Qcow2HeaderExtensions Parse(ReadOnlySpan<byte> area)
    {
        var found = new Qcow2HeaderExtensions();
        var seen = new HashSet<uint>();
        var reader = new SpanReader(area);
        while (reader.Remaining >= PrefixBytes)
        {
            uint type = reader.UInt32BigEndian();
            uint length = reader.UInt32BigEndian();
            if (type == End)
            {
                break;
            }

            if (length > reader.Remaining)
            {
                throw new InvalidImageException(ErrorIds.Qcow2ExtensionInvalid,
                    $"The header extension 0x{type:x8} has {length} bytes, but only {reader.Remaining} are left for extensions.");
            }

            found = found.With(type, reader.Bytes((int)length), seen);
            reader.Skip(Math.Min(reader.Remaining, Padding((int)length)));
        }

        return found;
    }

    /// <summary>Bytes of the list with its end mark.</summary>
    public int EncodedSize => PrefixBytes
        + SizeOf(BackingFormat is null ? null : Encoding.UTF8.GetByteCount(BackingFormat))
        + SizeOf(DataFile is null ? null : Encoding.UTF8.GetByteCount(DataFile))
        + SizeOf(EncryptionHeader is null ? null : Qcow2EncryptionHeader.Size)
        + SizeOf(Conversion is null ? null : ConversionPointer.Size)
        + SizeOf(FeatureNames.Count == 0 ? null : FeatureNames.Count * Qcow2FeatureName.Size);

    /// <summary>Writes the list with its end mark.</summary>
    public void WriteTo(ref SpanWriter writer)
    {
        if (BackingFormat is not null)
        {
            Write(ref writer, BackingFormatType, Encoding.UTF8.GetBytes(BackingFormat));
        }

        if (DataFile is not null)
        {
            Write(ref writer, DataFileType, Encoding.UTF8.GetBytes(DataFile));
        }

        if (EncryptionHeader is { } area)
        {
            byte[] pointer = new byte[Qcow2EncryptionHeader.Size];
            area.WriteTo(pointer);
            Write(ref writer, EncryptionHeaderType, pointer);
        }

        if (Conversion is { } journal)
        {
            Write(ref writer, ConversionPointer.Type, journal.Encode());
        }

        if (FeatureNames.Count > 0)
        {
            byte[] names = new byte[FeatureNames.Count * Qcow2FeatureName.Size];
            for (int i = 0; i < FeatureNames.Count; i++)
            {
                FeatureNames[i].WriteTo(names.AsSpan(i * Qcow2FeatureName.Size));
            }

            Write(ref writer, FeatureNamesType, names);
        }

        writer.Zeros(PrefixBytes);
    }

    private static void Write(ref SpanWriter writer, uint type, ReadOnlySpan<byte> data)
    {
        writer.UInt32BigEndian(type);
        writer.UInt32BigEndian((uint)data.Length);
        writer.Bytes(data);
        writer.Zeros(Padding(data.Length));
    }

    private static int SizeOf(int? dataBytes) => dataBytes is { } bytes ? PrefixBytes + bytes + Padding(bytes) : 0;

    private static int Padding(int length) => -length & 7;

    private Qcow2HeaderExtensions With(uint type, ReadOnlySpan<byte> data, HashSet<uint> seen)
    {
        Qcow2HeaderExtensions? with = type switch
        {
            BackingFormatType => this with { BackingFormat = Text(data, Qcow2Limits.MaxBackingFormatBytes, "backing format") },
            FeatureNamesType => this with { FeatureNames = ParseFeatureNames(data) },
            BitmapsType => this with { Bitmaps = Qcow2BitmapsPointer.Parse(Exactly(data, Qcow2BitmapsPointer.Size, "bitmaps")) },
            EncryptionHeaderType => this with
            {
                EncryptionHeader = Qcow2EncryptionHeader.Parse(Exactly(data, Qcow2EncryptionHeader.Size, "encryption header")),
            },
            DataFileType => this with { DataFile = Text(data, Qcow2Limits.MaxDataFileNameBytes, "data file") },
            ConversionPointer.Type => this with { Conversion = ConversionPointer.Parse(Exactly(data, ConversionPointer.Size, "conversion")) },
            _ => null,
        };
        if (with is not null && !seen.Add(type))
        {
            throw new InvalidImageException(ErrorIds.Qcow2ExtensionDuplicate, $"The header extension 0x{type:x8} appears twice.");
        }

        return with ?? this;
    }

    private static List<Qcow2FeatureName> ParseFeatureNames(ReadOnlySpan<byte> data)
    {
        var names = new List<Qcow2FeatureName>();
        for (; data.Length >= Qcow2FeatureName.Size; data = data[Qcow2FeatureName.Size..])
        {
            names.Add(Qcow2FeatureName.Parse(data));
        }

        return names;
    }

    private static ReadOnlySpan<byte> Exactly(ReadOnlySpan<byte> data, int size, string name) => data.Length == size
        ? data
        : throw new InvalidImageException(ErrorIds.Qcow2ExtensionInvalid,
            $"The {name} extension has {data.Length} bytes; it must have {size}.");

    private static string Text(ReadOnlySpan<byte> data, int limit, string name) => data.Length <= limit
        ? Encoding.UTF8.GetString(data)
        : throw new InvalidImageException(ErrorIds.Qcow2ExtensionInvalid,
            $"The {name} extension has {data.Length} bytes; at most {limit} are allowed.");
}
