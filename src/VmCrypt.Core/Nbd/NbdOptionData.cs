using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Nbd;

/// <summary>The data of INFO and GO: an export and the facts that the client understands.</summary>
/// <remarks>length of name u32 | name | number of requests u16 | requests u16 each</remarks>
internal readonly record struct NbdInfoRequest(string Export, ushort[] Types)
{
    public bool Wants(NbdInfoType type) => Types.Contains((ushort)type);

    /// <summary>False when the lengths inside do not add up to the length outside.</summary>
    public static bool TryParse(ReadOnlySpan<byte> data, out NbdInfoRequest request)
    {
        request = default;
        var reader = new SpanReader(data);
        if (!NbdNames.TryRead(ref reader, out string export) || reader.Remaining < sizeof(ushort))
        {
            return false;
        }

        ushort[] types = new ushort[reader.UInt16BigEndian()];
        if (reader.Remaining != types.Length * sizeof(ushort))
        {
            return false;
        }

        for (int i = 0; i < types.Length; i++)
        {
            types[i] = reader.UInt16BigEndian();
        }

        request = new NbdInfoRequest(export, types);
        return true;
    }
}

/// <summary>The data of LIST_META_CONTEXT and SET_META_CONTEXT: an export and queries for contexts.</summary>
/// <remarks>length of name u32 | name | number of queries u32 | per query: length u32, text</remarks>
internal readonly record struct NbdContextRequest(string Export, List<string> Queries)
{
    /// <summary>Selecting takes full names only.</summary>
    public bool Names(string context) => Queries.Contains(context, StringComparer.Ordinal);

    /// <summary>Listing takes no query for everything, and a namespace for all that it holds.</summary>
    public bool Covers(string context) =>
        Queries.Count == 0 || Names(context) || Queries.Contains(NbdMetaContext.Namespace, StringComparer.Ordinal);

    /// <summary>False when the lengths inside do not add up to the length outside.</summary>
    public static bool TryParse(ReadOnlySpan<byte> data, out NbdContextRequest request)
    {
        request = default;
        var reader = new SpanReader(data);
        if (!NbdNames.TryRead(ref reader, out string export) || reader.Remaining < sizeof(uint))
        {
            return false;
        }

        // The count is not believed: the list grows with the queries that are really there.
        var queries = new List<string>();
        for (uint left = reader.UInt32BigEndian(); left > 0; left--)
        {
            if (!NbdNames.TryRead(ref reader, out string query))
            {
                return false;
            }

            queries.Add(query);
        }

        request = new NbdContextRequest(export, queries);
        return reader.Remaining == 0;
    }
}

internal static class NbdNames
{
    /// <summary>Reads a length (u32) and so many bytes of text.</summary>
    public static bool TryRead(ref SpanReader reader, out string text)
    {
        text = string.Empty;
        if (reader.Remaining < sizeof(uint))
        {
            return false;
        }

        uint length = reader.UInt32BigEndian();
        return length <= reader.Remaining && NbdText.TryDecode(reader.Bytes((int)length), out text);
    }
}
