using System.Text;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>One row of the feature name table: what to call a bit that the reader may not know.</summary>
/// <remarks>On disk 48 bytes: kind 0, bit number 1, name 2 (46 bytes, zero padded).</remarks>
public sealed record Qcow2FeatureName(Qcow2FeatureKind Kind, byte Bit, string Name)
{
    internal const int Size = 48;

    private const int NameBytes = 46;

    internal static Qcow2FeatureName Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        var kind = (Qcow2FeatureKind)reader.Byte();
        byte bit = reader.Byte();
        ReadOnlySpan<byte> name = reader.Bytes(NameBytes);
        int end = name.IndexOf((byte)0);
        return new Qcow2FeatureName(kind, bit, Encoding.UTF8.GetString(end < 0 ? name : name[..end]));
    }

    internal void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.Byte((byte)Kind);
        writer.Byte(Bit);
        Span<byte> name = writer.Take(NameBytes);
        name.Clear();
        Encoding.ASCII.GetBytes(Name, name);
    }
}
