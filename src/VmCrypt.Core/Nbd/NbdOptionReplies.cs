using System.Buffers;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Nbd;

/// <summary>Writes what a server answers to options.</summary>
internal sealed class NbdOptionReplies(IBufferWriter<byte> output)
{
    public void Reply(NbdOption option, NbdOptionReplyType type, ReadOnlySpan<byte> data = default)
    {
        Span<byte> target = output.GetSpan(NbdOptionReply.Size + data.Length);
        new NbdOptionReply(option, type, (uint)data.Length).WriteTo(target);
        data.CopyTo(target[NbdOptionReply.Size..]);
        output.Advance(NbdOptionReply.Size + data.Length);
    }

    public void Export(NbdOption option, NbdAgreement agreement)
    {
        Span<byte> info = stackalloc byte[12];
        var writer = new SpanWriter(info);
        writer.UInt16BigEndian((ushort)NbdInfoType.Export);
        writer.UInt64BigEndian((ulong)agreement.Size);
        writer.UInt16BigEndian((ushort)agreement.Flags);
        Reply(option, NbdOptionReplyType.Info, info);
    }

    public void Text(NbdOption option, NbdInfoType type, string text)
    {
        byte[] bytes = NbdText.Encode(text);
        byte[] info = new byte[sizeof(ushort) + bytes.Length];
        var writer = new SpanWriter(info);
        writer.UInt16BigEndian((ushort)type);
        writer.Bytes(bytes);
        Reply(option, NbdOptionReplyType.Info, info);
    }

    public void BlockSizes(NbdOption option, NbdAgreement agreement)
    {
        Span<byte> info = stackalloc byte[14];
        var writer = new SpanWriter(info);
        writer.UInt16BigEndian((ushort)NbdInfoType.BlockSize);
        writer.UInt32BigEndian((uint)agreement.MinimumBlock);
        writer.UInt32BigEndian((uint)agreement.PreferredBlock);
        writer.UInt32BigEndian((uint)agreement.MaximumPayload);
        Reply(option, NbdOptionReplyType.Info, info);
    }

    /// <summary>One entry of the list of exports.</summary>
    public void Entry(NbdExport export)
    {
        byte[] name = NbdText.Encode(export.Name);
        byte[] description = NbdText.Encode(export.Description);
        byte[] entry = new byte[sizeof(uint) + name.Length + description.Length];
        var writer = new SpanWriter(entry);
        writer.UInt32BigEndian((uint)name.Length);
        writer.Bytes(name);
        writer.Bytes(description);
        Reply(NbdOption.List, NbdOptionReplyType.Server, entry);
    }

    /// <summary>A context, listed or selected.</summary>
    public void Context(NbdOption option, uint id, string context)
    {
        byte[] name = NbdText.Encode(context);
        byte[] data = new byte[sizeof(uint) + name.Length];
        var writer = new SpanWriter(data);
        writer.UInt32BigEndian(id);
        writer.Bytes(name);
        Reply(option, NbdOptionReplyType.MetaContext, data);
    }
}
