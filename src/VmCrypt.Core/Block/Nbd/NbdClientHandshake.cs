using System.Buffers;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>The client's side of the handshake, without a socket: spans in, bytes out, until <see cref="Agreement"/> or <see cref="Exports"/> stands.</summary>
/// <remarks>
/// Asks for TLS if it is wanted (and for nothing before), structured replies, then base:allocation, then GO with block sizes;
/// a server that knows none of the last three is taken as it is, down to EXPORT_NAME. Oldstyle servers are refused: they
/// cannot name exports or report errors.
/// </remarks>
internal sealed class NbdClientHandshake
{
    private const int GreetingSize = 18;
    private const int ExportNameReplySize = sizeof(ulong) + sizeof(ushort);
    private const int PaddingAfterExportName = 124;

    private readonly string? _export;
    private readonly bool _tls;
    private readonly IBufferWriter<byte> _output;
    private readonly List<NbdExportInfo> _exports = [];
    private NbdOption? _asked;
    private bool _noZeroes;
    private bool _structuredReplies;
    private uint? _allocationContext;
    private (ulong Size, NbdTransmissionFlags Flags)? _exportInfo;
    private (uint Minimum, uint Preferred, uint MaximumPayload)? _blocks;

    /// <param name="export">The export to go to; null lists them all.</param>
    /// <param name="tls">Nothing is asked for before TLS stands.</param>
    public NbdClientHandshake(string? export, bool tls, IBufferWriter<byte> output)
    {
        _export = export;
        _tls = tls;
        _output = output;
    }

    /// <summary>Set when the transmission phase begins.</summary>
    public NbdAgreement? Agreement { get; private set; }

    /// <summary>Set when the list is complete.</summary>
    public IReadOnlyList<NbdExportInfo>? Exports { get; private set; }

    public bool IsFinished => Agreement is not null || Exports is not null;

    /// <summary>The server is ready for TLS; <see cref="TlsStarted"/> goes on behind its handshake.</summary>
    public bool WantsTls { get; private set; }

    /// <summary>Understands one message at the front of <paramref name="input"/> and returns its length, 0 when it is not whole yet.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdGreetingInvalid"/>, <see cref="ErrorIds.NbdOptionReplyInvalid"/>, <see cref="ErrorIds.NbdExportInvalid"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.NbdExportNotFound"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.NbdTlsRequired"/>, <see cref="ErrorIds.NbdTlsRefused"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.NbdOptionRefused"/>.</exception>
    public int Advance(ReadOnlySpan<byte> input) => _asked switch
    {
        _ when IsFinished || WantsTls => 0,
        null => ReadGreeting(input),
        NbdOption.ExportName => ReadExportNameReply(input),
        _ => ReadOptionReply(input),
    };

    /// <summary>TLS stands: now what was the purpose is asked for.</summary>
    public void TlsStarted()
    {
        WantsTls = false;
        AskForPurpose();
    }

    /// <summary>What it means that the server hung up here.</summary>
    public VmCryptException HungUp() => _asked == NbdOption.ExportName
        ? NotFound()
        : new DeviceFaultException(ErrorIds.NbdConnectionLost, "The NBD server ended the connection during the handshake.");

    private int ReadGreeting(ReadOnlySpan<byte> input)
    {
        if (input.Length < sizeof(ulong))
        {
            return 0;
        }

        var reader = new SpanReader(input);
        ulong magic = reader.UInt64BigEndian();
        if (magic != NbdMagic.Greeting)
        {
            throw new ProtocolException(ErrorIds.NbdGreetingInvalid, $"The peer greets with 0x{magic:x16}; it is no NBD server.");
        }

        if (input.Length < GreetingSize)
        {
            return 0;
        }

        magic = reader.UInt64BigEndian();
        if (magic != NbdMagic.Option)
        {
            throw new ProtocolException(ErrorIds.NbdGreetingInvalid, magic == NbdMagic.Oldstyle
                ? "The NBD server speaks only the oldstyle handshake, which went out of use in 2018."
                : $"The NBD server's greeting goes on with 0x{magic:x16} instead of 0x{NbdMagic.Option:x16}.");
        }

        Begin((NbdHandshakeFlags)reader.UInt16BigEndian());
        return GreetingSize;
    }

    private void Begin(NbdHandshakeFlags offered)
    {
        bool fixedNewstyle = offered.HasFlag(NbdHandshakeFlags.FixedNewstyle);
        _noZeroes = offered.HasFlag(NbdHandshakeFlags.NoZeroes);
        NbdClientFlags flags = (fixedNewstyle ? NbdClientFlags.FixedNewstyle : NbdClientFlags.None)
            | (_noZeroes ? NbdClientFlags.NoZeroes : NbdClientFlags.None);
        new SpanWriter(_output.GetSpan(sizeof(uint))).UInt32BigEndian((uint)flags);
        _output.Advance(sizeof(uint));

        if (!fixedNewstyle && (_tls || _export is null))
        {
            throw Refused(_tls ? NbdOption.StartTls : NbdOption.List, "it knows only the old newstyle handshake");
        }

        if (_tls)
        {
            Ask(NbdOption.StartTls);
        }
        else if (fixedNewstyle)
        {
            AskForPurpose();
        }
        else
        {
            Ask(NbdOption.ExportName, NbdText.Encode(_export!));
        }
    }

    private void AskForPurpose() => Ask(_export is null ? NbdOption.List : NbdOption.StructuredReply);

    private int ReadExportNameReply(ReadOnlySpan<byte> input)
    {
        int length = ExportNameReplySize + (_noZeroes ? 0 : PaddingAfterExportName);
        if (input.Length < length)
        {
            return 0;
        }

        var reader = new SpanReader(input);
        _exportInfo = (reader.UInt64BigEndian(), (NbdTransmissionFlags)reader.UInt16BigEndian());
        Go();
        return length;
    }

    private int ReadOptionReply(ReadOnlySpan<byte> input)
    {
        if (input.Length < NbdOptionReply.Size)
        {
            return 0;
        }

        NbdOptionReply reply = NbdOptionReply.Parse(input[..NbdOptionReply.Size]);
        if (reply.Option != _asked)
        {
            throw Invalid($"option {(uint)reply.Option} is answered where {(uint)_asked!} was asked");
        }

        if (reply.Length > NbdLimits.MaxOption)
        {
            throw Invalid($"its data has {reply.Length} bytes; at most {NbdLimits.MaxOption} are read");
        }

        int length = NbdOptionReply.Size + (int)reply.Length;
        if (input.Length < length)
        {
            return 0;
        }

        ReadOnlySpan<byte> data = input[NbdOptionReply.Size..length];
        if (reply.IsError)
        {
            HandleError(reply, NbdText.ForPeople(data));
        }
        else
        {
            Handle(reply, data);
        }

        return length;
    }

    private void Handle(NbdOptionReply reply, ReadOnlySpan<byte> data)
    {
        switch (reply.Option, reply.Type)
        {
            case (NbdOption.StartTls, NbdOptionReplyType.Ack):
                WantsTls = true;
                break;
            case (NbdOption.List, NbdOptionReplyType.Server):
                AddExport(data);
                break;
            case (NbdOption.List, NbdOptionReplyType.Ack):
                Ask(NbdOption.Abort);
                Exports = _exports;
                break;
            case (NbdOption.StructuredReply, NbdOptionReplyType.Ack):
                _structuredReplies = true;
                Ask(NbdOption.SetMetaContext, NbdOptionQuestions.Context(_export!, NbdMetaContext.Allocation));
                break;
            case (NbdOption.SetMetaContext, NbdOptionReplyType.MetaContext):
                SetContext(data);
                break;
            case (NbdOption.SetMetaContext, NbdOptionReplyType.Ack):
                Ask(NbdOption.Go, NbdOptionQuestions.Go(_export!, NbdInfoType.BlockSize));
                break;
            case (NbdOption.Go, NbdOptionReplyType.Info):
                SetInfo(data);
                break;
            case (NbdOption.Go, NbdOptionReplyType.Ack):
                Go();
                break;
            default:
                throw Invalid($"type {(uint)reply.Type} answers no option {(uint)reply.Option}");
        }
    }

    private void HandleError(NbdOptionReply reply, string text)
    {
        switch (reply.Option, reply.Type)
        {
            case (NbdOption.StartTls, not NbdOptionReplyType.ErrorShutdown):
                throw new RefusedException(ErrorIds.NbdTlsRefused, "The NBD server has no TLS; write nbd for nbds in its URI to talk to it in clear.");
            case (_, NbdOptionReplyType.ErrorTlsRequired):
                throw new RefusedException(ErrorIds.NbdTlsRequired, "The NBD server wants TLS; write nbds for nbd in its URI, and where the certificates are.");
            case (NbdOption.StructuredReply, not NbdOptionReplyType.ErrorShutdown):
                Ask(NbdOption.Go, NbdOptionQuestions.Go(_export!, NbdInfoType.BlockSize));
                break;
            case (NbdOption.SetMetaContext, not NbdOptionReplyType.ErrorShutdown):
                _allocationContext = null;
                Ask(NbdOption.Go, NbdOptionQuestions.Go(_export!, NbdInfoType.BlockSize));
                break;
            case (NbdOption.Go, NbdOptionReplyType.ErrorUnsupported):
                Ask(NbdOption.ExportName, NbdText.Encode(_export!));
                break;
            case (NbdOption.Go, NbdOptionReplyType.ErrorUnknownExport):
                throw NotFound();
            default:
                throw Refused(reply.Option, text.Length > 0 ? text : $"error {(uint)(reply.Type & ~NbdOptionReplyType.ErrorBit)}");
        }
    }

    private void AddExport(ReadOnlySpan<byte> data)
    {
        var reader = new SpanReader(data);
        if (data.Length < sizeof(uint) || reader.UInt32BigEndian() is var length && length > data.Length - sizeof(uint)
            || !NbdText.TryDecode(reader.Bytes((int)length), out string name))
        {
            throw Invalid("the name of a listed export does not fit its entry");
        }

        if (_exports.Count == NbdLimits.MaxExports)
        {
            throw Invalid($"it lists more than {NbdLimits.MaxExports} exports");
        }

        _exports.Add(new NbdExportInfo(name, NbdText.ForPeople(reader.Bytes(reader.Remaining))));
    }

    private void SetContext(ReadOnlySpan<byte> data)
    {
        var reader = new SpanReader(data);
        if (data.Length < sizeof(uint))
        {
            throw Invalid($"a context of {data.Length} bytes has no id");
        }

        uint id = reader.UInt32BigEndian();
        if (!NbdText.TryDecode(reader.Bytes(reader.Remaining), out string name) || name != NbdMetaContext.Allocation)
        {
            throw Invalid("it selects a context that was not asked for");
        }

        _allocationContext = id;
    }

    private void SetInfo(ReadOnlySpan<byte> data)
    {
        if (data.Length < sizeof(ushort))
        {
            throw Invalid($"an information of {data.Length} bytes has no type");
        }

        var reader = new SpanReader(data);
        switch (((NbdInfoType)reader.UInt16BigEndian(), data.Length))
        {
            case (NbdInfoType.Export, 12):
                _exportInfo = (reader.UInt64BigEndian(), (NbdTransmissionFlags)reader.UInt16BigEndian());
                break;
            case (NbdInfoType.BlockSize, 14):
                _blocks = (reader.UInt32BigEndian(), reader.UInt32BigEndian(), reader.UInt32BigEndian());
                break;
            case (NbdInfoType.Export or NbdInfoType.BlockSize, _):
                throw Invalid($"an information of {data.Length} bytes has the wrong length for its type");
            default:
                break;
        }
    }

    private void Go()
    {
        (ulong size, NbdTransmissionFlags flags) = _exportInfo ?? throw Invalid("GO is acknowledged without a word about the export");
        Agreement = NbdAgreement.FromServer(size, flags, _blocks) with
        {
            StructuredReplies = _structuredReplies,
            AllocationContext = _allocationContext,
        };
    }

    private void Ask(NbdOption option, ReadOnlySpan<byte> data = default)
    {
        _asked = option;
        Span<byte> target = _output.GetSpan(NbdOptionHeader.Size + data.Length);
        new NbdOptionHeader(option, (uint)data.Length).WriteTo(target);
        data.CopyTo(target[NbdOptionHeader.Size..]);
        _output.Advance(NbdOptionHeader.Size + data.Length);
    }

    private MissingException NotFound() => new(ErrorIds.NbdExportNotFound, $"The NBD server has no export '{_export}'.");

    private static DeviceFaultException Refused(NbdOption option, string why) =>
        new(ErrorIds.NbdOptionRefused, $"The NBD server refuses option {option}: {why}.");

    private static ProtocolException Invalid(string what) =>
        new(ErrorIds.NbdOptionReplyInvalid, $"The NBD server's answer breaks the protocol: {what}.");
}
