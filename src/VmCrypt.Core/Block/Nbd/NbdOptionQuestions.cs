using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>The data of the options that a client sends.</summary>
internal static class NbdOptionQuestions
{
    /// <remarks>length of name u32 | name | number of queries u32 | length of query u32 | query</remarks>
    public static byte[] Context(string export, string context)
    {
        byte[] name = NbdText.Encode(export);
        byte[] query = NbdText.Encode(context);
        byte[] data = new byte[(3 * sizeof(uint)) + name.Length + query.Length];
        var writer = new SpanWriter(data);
        writer.UInt32BigEndian((uint)name.Length);
        writer.Bytes(name);
        writer.UInt32BigEndian(1);
        writer.UInt32BigEndian((uint)query.Length);
        writer.Bytes(query);
        return data;
    }

    /// <remarks>length of name u32 | name | number of facts u16 | fact u16</remarks>
    public static byte[] Go(string export, NbdInfoType fact)
    {
        byte[] name = NbdText.Encode(export);
        byte[] data = new byte[sizeof(uint) + name.Length + (2 * sizeof(ushort))];
        var writer = new SpanWriter(data);
        writer.UInt32BigEndian((uint)name.Length);
        writer.Bytes(name);
        writer.UInt16BigEndian(1);
        writer.UInt16BigEndian((ushort)fact);
        return data;
    }
}
