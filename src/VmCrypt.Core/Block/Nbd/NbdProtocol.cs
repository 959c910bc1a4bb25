using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

// Every number of the wire, after the NBD project's doc/proto.md; all integers are big-endian.

internal static class NbdMagic
{
    /// <summary>"NBDMAGIC": opens every greeting.</summary>
    public const ulong Greeting = 0x4e42444d41474943;

    /// <summary>"IHAVEOPT": a newstyle greeting goes on with it, and every option begins with it.</summary>
    public const ulong Option = 0x49484156454f5054;

    /// <summary>Follows <see cref="Greeting"/> in the oldstyle handshake, which we do not speak.</summary>
    public const ulong Oldstyle = 0x0000420281861253;

    public const ulong OptionReply = 0x0003e889045565a9;
    public const uint Request = 0x25609513;
    public const uint SimpleReply = 0x67446698;
    public const uint Chunk = 0x668e33ef;
}

/// <summary>What we send and accept at most; a peer that wants more is refused before anything is allocated.</summary>
internal static class NbdLimits
{
    /// <summary>Bytes of data in one request or reply: the least that every conforming peer supports, and what QEMU and nbdkit allow.</summary>
    public const int MaxPayload = 32 * 1024 * 1024;

    /// <summary>Bytes of an export name, description, query or error text (proto.md, "strings").</summary>
    public const int MaxString = 4096;

    /// <summary>Bytes of one option or option reply: a full name and some queries fit several times over.</summary>
    public const int MaxOption = 64 * 1024;

    /// <summary>Descriptors in one answer to BLOCK_STATUS that we send.</summary>
    public const int MaxExtentsSent = 32 * 1024;

    /// <summary>Descriptors in one answer to BLOCK_STATUS that we accept (proto.md: not more than 2^20).</summary>
    public const int MaxExtentsAccepted = 1024 * 1024;

    /// <summary>Largest minimum block size that a server may ask for (proto.md, "Size constraints").</summary>
    public const int MaxMinimumBlock = 64 * 1024;

    /// <summary>Exports that we read from a server's list.</summary>
    public const int MaxExports = 10_000;
}

[Flags]
internal enum NbdHandshakeFlags : ushort
{
    FixedNewstyle = 1,
    NoZeroes = 2,
}

[Flags]
internal enum NbdClientFlags : uint
{
    None = 0,
    FixedNewstyle = 1,
    NoZeroes = 2,
}

[Flags]
internal enum NbdTransmissionFlags : ushort
{
    None = 0,
    HasFlags = 1 << 0,
    ReadOnly = 1 << 1,
    SendFlush = 1 << 2,
    SendFua = 1 << 3,
    Rotational = 1 << 4,
    SendTrim = 1 << 5,
    SendWriteZeroes = 1 << 6,
    SendDoNotFragment = 1 << 7,
    CanMultiConn = 1 << 8,
    SendCache = 1 << 10,
    SendFastZero = 1 << 11,
}

internal enum NbdOption : uint
{
    ExportName = 1,
    Abort = 2,
    List = 3,
    StartTls = 5,
    Info = 6,
    Go = 7,
    StructuredReply = 8,
    ListMetaContext = 9,
    SetMetaContext = 10,
}

internal enum NbdOptionReplyType : uint
{
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    ErrorUnsupported = ErrorBit + 1,
    ErrorPolicy = ErrorBit + 2,
    ErrorInvalid = ErrorBit + 3,
    ErrorPlatform = ErrorBit + 4,
    ErrorTlsRequired = ErrorBit + 5,
    ErrorUnknownExport = ErrorBit + 6,
    ErrorShutdown = ErrorBit + 7,
    ErrorBlockSizeRequired = ErrorBit + 8,
    ErrorTooBig = ErrorBit + 9,

    /// <summary>Set in every error.</summary>
    ErrorBit = 1u << 31,
}

internal enum NbdInfoType : ushort
{
    Export = 0,
    Name = 1,
    Description = 2,
    BlockSize = 3,
}

internal enum NbdCommand : ushort
{
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
    Trim = 4,
    Cache = 5,
    WriteZeroes = 6,
    BlockStatus = 7,
}

[Flags]
internal enum NbdCommandFlags : ushort
{
    None = 0,
    ForceUnitAccess = 1 << 0,
    NoHole = 1 << 1,
    DoNotFragment = 1 << 2,
    RequireOne = 1 << 3,
    FastZero = 1 << 4,
}

[Flags]
internal enum NbdChunkFlags : ushort
{
    None = 0,

    /// <summary>The last chunk of its reply.</summary>
    Done = 1,
}

internal enum NbdChunkType : ushort
{
    None = 0,
    OffsetData = 1,
    OffsetHole = 2,
    BlockStatus = 5,
    Error = ErrorBit + 1,
    ErrorOffset = ErrorBit + 2,

    /// <summary>Set in every error chunk, those unknown to us included.</summary>
    ErrorBit = 1 << 15,
}

/// <summary>The error values that may stand in a reply; named after Linux's errno, with whose numbers they agree.</summary>
internal enum NbdError : uint
{
    None = 0,
    NotPermitted = 1,
    InputOutput = 5,
    NoMemory = 12,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
    NotSupported = 95,
    Shutdown = 108,
}

/// <summary>The descriptors of base:allocation.</summary>
[Flags]
internal enum NbdExtentFlags : uint
{
    Data = 0,
    Hole = 1,
    Zero = 2,
}

internal static class NbdMetaContext
{
    public const string Namespace = "base:";
    public const string Allocation = "base:allocation";
}

/// <summary>What precedes the data of an option.</summary>
/// <remarks>0 magic u64 | 8 option u32 | 12 length of the data u32</remarks>
internal readonly record struct NbdOptionHeader(NbdOption Option, uint Length)
{
    public const int Size = 16;

    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdOptionInvalid"/>.</exception>
    public static NbdOptionHeader Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        ulong magic = reader.UInt64BigEndian();
        return magic == NbdMagic.Option
            ? new NbdOptionHeader((NbdOption)reader.UInt32BigEndian(), reader.UInt32BigEndian())
            : throw new ProtocolException(ErrorIds.NbdOptionInvalid,
                $"An option begins with 0x{magic:x16} instead of 0x{NbdMagic.Option:x16}.");
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt64BigEndian(NbdMagic.Option);
        writer.UInt32BigEndian((uint)Option);
        writer.UInt32BigEndian(Length);
    }
}

/// <summary>What precedes the data of an option's reply.</summary>
/// <remarks>0 magic u64 | 8 option u32 | 12 type u32 | 16 length of the data u32</remarks>
internal readonly record struct NbdOptionReply(NbdOption Option, NbdOptionReplyType Type, uint Length)
{
    public const int Size = 20;

    public bool IsError => Type.HasFlag(NbdOptionReplyType.ErrorBit);

    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdOptionReplyInvalid"/>.</exception>
    public static NbdOptionReply Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        ulong magic = reader.UInt64BigEndian();
        return magic == NbdMagic.OptionReply
            ? new NbdOptionReply((NbdOption)reader.UInt32BigEndian(), (NbdOptionReplyType)reader.UInt32BigEndian(), reader.UInt32BigEndian())
            : throw new ProtocolException(ErrorIds.NbdOptionReplyInvalid,
                $"A reply to an option begins with 0x{magic:x16} instead of 0x{NbdMagic.OptionReply:x16}.");
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt64BigEndian(NbdMagic.OptionReply);
        writer.UInt32BigEndian((uint)Option);
        writer.UInt32BigEndian((uint)Type);
        writer.UInt32BigEndian(Length);
    }
}

/// <summary>A request of the transmission phase; the data of a write follows it.</summary>
/// <remarks>0 magic u32 | 4 flags u16 | 6 command u16 | 8 cookie u64 | 16 offset u64 | 24 length u32</remarks>
internal readonly record struct NbdRequest(NbdCommand Command, NbdCommandFlags Flags, ulong Cookie, ulong Offset, uint Length)
{
    public const int Size = 28;

    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdRequestInvalid"/>.</exception>
    public static NbdRequest Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        uint magic = reader.UInt32BigEndian();
        if (magic != NbdMagic.Request)
        {
            throw new ProtocolException(ErrorIds.NbdRequestInvalid, $"A request begins with 0x{magic:x8} instead of 0x{NbdMagic.Request:x8}.");
        }

        var flags = (NbdCommandFlags)reader.UInt16BigEndian();
        return new NbdRequest((NbdCommand)reader.UInt16BigEndian(), flags,
            reader.UInt64BigEndian(), reader.UInt64BigEndian(), reader.UInt32BigEndian());
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt32BigEndian(NbdMagic.Request);
        writer.UInt16BigEndian((ushort)Flags);
        writer.UInt16BigEndian((ushort)Command);
        writer.UInt64BigEndian(Cookie);
        writer.UInt64BigEndian(Offset);
        writer.UInt32BigEndian(Length);
    }
}

/// <summary>A simple reply; the data of a successful read follows it.</summary>
/// <remarks>0 magic u32 | 4 error u32 | 8 cookie u64</remarks>
internal readonly record struct NbdSimpleReply(NbdError Error, ulong Cookie)
{
    public const int Size = 16;

    /// <summary>The caller has looked at the magic, by which the two kinds of reply are told apart.</summary>
    public static NbdSimpleReply Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source[sizeof(uint)..]);
        return new NbdSimpleReply((NbdError)reader.UInt32BigEndian(), reader.UInt64BigEndian());
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt32BigEndian(NbdMagic.SimpleReply);
        writer.UInt32BigEndian((uint)Error);
        writer.UInt64BigEndian(Cookie);
    }
}

/// <summary>What precedes the payload of one chunk of a structured reply.</summary>
/// <remarks>0 magic u32 | 4 flags u16 | 6 type u16 | 8 cookie u64 | 16 length of the payload u32</remarks>
internal readonly record struct NbdChunk(NbdChunkFlags Flags, NbdChunkType Type, ulong Cookie, uint Length)
{
    public const int Size = 20;

    public bool IsDone => Flags.HasFlag(NbdChunkFlags.Done);

    public bool IsError => Type.HasFlag(NbdChunkType.ErrorBit);

    /// <summary>The caller has looked at the magic, by which the two kinds of reply are told apart.</summary>
    public static NbdChunk Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source[sizeof(uint)..]);
        var flags = (NbdChunkFlags)reader.UInt16BigEndian();
        return new NbdChunk(flags, (NbdChunkType)reader.UInt16BigEndian(), reader.UInt64BigEndian(), reader.UInt32BigEndian());
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt32BigEndian(NbdMagic.Chunk);
        writer.UInt16BigEndian((ushort)Flags);
        writer.UInt16BigEndian((ushort)Type);
        writer.UInt64BigEndian(Cookie);
        writer.UInt32BigEndian(Length);
    }
}
