using System.Buffers;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

internal enum NbdServerStage
{
    ClientFlags,
    Options,

    /// <summary>TLS is to begin behind what was written; then <see cref="NbdServerHandshake.TlsStarted"/> goes on.</summary>
    StartTls,

    /// <summary>The client has chosen <see cref="NbdServerHandshake.Export"/>; what follows are requests.</summary>
    Transmission,

    /// <summary>The client left, or asked for an export that is not there in the way that knows no error reply.</summary>
    Closed,
}

/// <summary>The server's side of the fixed newstyle handshake, without a socket: spans in, bytes out.</summary>
/// <remarks>
/// A request that is merely wrong gets an error reply and the client may go on; one that leaves us without a common
/// understanding of the stream (a wrong magic, a length beyond any option) throws, and the connection has to be closed.
/// </remarks>
internal sealed class NbdServerHandshake
{
    private const NbdHandshakeFlags Offered = NbdHandshakeFlags.FixedNewstyle | NbdHandshakeFlags.NoZeroes;
    private const int PaddingAfterExportName = 124;
    private const uint AllocationContext = 1;

    private readonly NbdExportTable _exports;
    private readonly IBufferWriter<byte> _output;
    private readonly NbdOptionReplies _replies;
    private NbdTlsMode _tls;
    private bool _hasTls;
    private bool _noZeroes;
    private bool _structuredReplies;
    private string? _allocationOf;

    /// <summary>Writes the greeting at once: in newstyle the server speaks first.</summary>
    public NbdServerHandshake(NbdExportTable exports, NbdTlsMode tls, IBufferWriter<byte> output)
    {
        _exports = exports;
        _tls = tls;
        _output = output;
        _replies = new NbdOptionReplies(output);
        var writer = new SpanWriter(output.GetSpan(18));
        writer.UInt64BigEndian(NbdMagic.Greeting);
        writer.UInt64BigEndian(NbdMagic.Option);
        writer.UInt16BigEndian((ushort)Offered);
        output.Advance(18);
    }

    public NbdServerStage Stage { get; private set; }

    /// <summary>Set in <see cref="NbdServerStage.Transmission"/>.</summary>
    public NbdExport? Export { get; private set; }

    /// <summary>Set in <see cref="NbdServerStage.Transmission"/>.</summary>
    public NbdAgreement? Agreement { get; private set; }

    /// <summary>Understands one message at the front of <paramref name="input"/> and returns its length, 0 when it is not whole yet.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdClientFlagsInvalid"/>, <see cref="ErrorIds.NbdOptionInvalid"/>.</exception>
    public int Advance(ReadOnlySpan<byte> input) => Stage switch
    {
        NbdServerStage.ClientFlags => ReadClientFlags(input),
        NbdServerStage.Options => ReadOption(input),
        _ => 0,
    };

    /// <summary>TLS stands: what the client set before, in clear, is forgotten, for somebody else may have said it.</summary>
    public void TlsStarted()
    {
        _tls = NbdTlsMode.Off;
        _hasTls = true;
        _structuredReplies = false;
        _allocationOf = null;
        Stage = NbdServerStage.Options;
    }

    private int ReadClientFlags(ReadOnlySpan<byte> input)
    {
        if (input.Length < sizeof(uint))
        {
            return 0;
        }

        var flags = (NbdClientFlags)new SpanReader(input).UInt32BigEndian();
        if ((flags & ~(NbdClientFlags.FixedNewstyle | NbdClientFlags.NoZeroes)) != NbdClientFlags.None)
        {
            throw new ProtocolException(ErrorIds.NbdClientFlagsInvalid, $"The client's flags 0x{(uint)flags:x} were not offered.");
        }

        _noZeroes = flags.HasFlag(NbdClientFlags.NoZeroes);
        Stage = NbdServerStage.Options;
        return sizeof(uint);
    }

    private int ReadOption(ReadOnlySpan<byte> input)
    {
        if (input.Length < NbdOptionHeader.Size)
        {
            return 0;
        }

        NbdOptionHeader header = NbdOptionHeader.Parse(input[..NbdOptionHeader.Size]);
        if (header.Length > NbdLimits.MaxOption)
        {
            throw new ProtocolException(ErrorIds.NbdOptionInvalid,
                $"The data of option {(uint)header.Option} has {header.Length} bytes; at most {NbdLimits.MaxOption} are read.");
        }

        int length = NbdOptionHeader.Size + (int)header.Length;
        if (input.Length < length)
        {
            return 0;
        }

        Handle(header.Option, input[NbdOptionHeader.Size..length]);
        return length;
    }

    private void Handle(NbdOption option, ReadOnlySpan<byte> data)
    {
        switch (option)
        {
            case NbdOption.Abort:
                _replies.Reply(option, NbdOptionReplyType.Ack);
                Stage = NbdServerStage.Closed;
                break;
            case NbdOption.StartTls:
                StartTls(data);
                break;
            case NbdOption.ExportName when _tls == NbdTlsMode.Require:
                // The option has no error reply; the protocol says to hang up.
                Stage = NbdServerStage.Closed;
                break;
            case var _ when _tls == NbdTlsMode.Require:
                _replies.Reply(option, NbdOptionReplyType.ErrorTlsRequired);
                break;
            case NbdOption.ExportName:
                ChooseByName(data);
                break;
            case NbdOption.List or NbdOption.StructuredReply when data.Length > 0:
                _replies.Reply(option, NbdOptionReplyType.ErrorInvalid);
                break;
            case NbdOption.List:
                List();
                break;
            case NbdOption.StructuredReply:
                _structuredReplies = true;
                _replies.Reply(option, NbdOptionReplyType.Ack);
                break;
            case NbdOption.Info or NbdOption.Go:
                Inform(option, data);
                break;
            case NbdOption.ListMetaContext or NbdOption.SetMetaContext:
                MetaContext(option, data);
                break;
            default:
                _replies.Reply(option, NbdOptionReplyType.ErrorUnsupported);
                break;
        }
    }

    private void StartTls(ReadOnlySpan<byte> data)
    {
        if (data.Length > 0 || _hasTls)
        {
            _replies.Reply(NbdOption.StartTls, NbdOptionReplyType.ErrorInvalid);
        }
        else if (_tls == NbdTlsMode.Off)
        {
            _replies.Reply(NbdOption.StartTls, NbdOptionReplyType.ErrorPolicy);
        }
        else
        {
            _replies.Reply(NbdOption.StartTls, NbdOptionReplyType.Ack);
            Stage = NbdServerStage.StartTls;
        }
    }

    private void ChooseByName(ReadOnlySpan<byte> data)
    {
        if (!NbdText.TryDecode(data, out string name) || _exports.Find(name) is not { } export)
        {
            // The option has no error reply; the protocol says to hang up.
            Stage = NbdServerStage.Closed;
            return;
        }

        Begin(export, name);
        int length = sizeof(ulong) + sizeof(ushort) + (_noZeroes ? 0 : PaddingAfterExportName);
        var writer = new SpanWriter(_output.GetSpan(length)[..length]);
        writer.UInt64BigEndian((ulong)Agreement!.Size);
        writer.UInt16BigEndian((ushort)Agreement.Flags);
        writer.Zeros(writer.Remaining);
        _output.Advance(length);
    }

    private void List()
    {
        foreach (NbdExport export in _exports.All)
        {
            _replies.Entry(export);
        }

        _replies.Reply(NbdOption.List, NbdOptionReplyType.Ack);
    }

    private void Inform(NbdOption option, ReadOnlySpan<byte> data)
    {
        if (!NbdInfoRequest.TryParse(data, out NbdInfoRequest request))
        {
            _replies.Reply(option, NbdOptionReplyType.ErrorInvalid);
            return;
        }

        if (_exports.Find(request.Export) is not { } export)
        {
            _replies.Reply(option, NbdOptionReplyType.ErrorUnknownExport);
            return;
        }

        NbdAgreement agreement = AgreementOn(export, request.Export);
        _replies.Export(option, agreement);
        if (request.Wants(NbdInfoType.Name))
        {
            _replies.Text(option, NbdInfoType.Name, export.Name);
        }

        if (request.Wants(NbdInfoType.Description) && export.Description.Length > 0)
        {
            _replies.Text(option, NbdInfoType.Description, export.Description);
        }

        if (request.Wants(NbdInfoType.BlockSize))
        {
            _replies.BlockSizes(option, agreement);
        }

        _replies.Reply(option, NbdOptionReplyType.Ack);
        if (option == NbdOption.Go)
        {
            Begin(export, request.Export);
        }
    }

    private void MetaContext(NbdOption option, ReadOnlySpan<byte> data)
    {
        bool select = option == NbdOption.SetMetaContext;
        if (select)
        {
            // Even a failed attempt replaces what was selected before.
            _allocationOf = null;
        }

        if (!_structuredReplies || !NbdContextRequest.TryParse(data, out NbdContextRequest request))
        {
            _replies.Reply(option, NbdOptionReplyType.ErrorInvalid);
            return;
        }

        if (_exports.Find(request.Export) is null)
        {
            _replies.Reply(option, NbdOptionReplyType.ErrorUnknownExport);
            return;
        }

        if (select ? request.Names(NbdMetaContext.Allocation) : request.Covers(NbdMetaContext.Allocation))
        {
            _replies.Context(option, select ? AllocationContext : 0, NbdMetaContext.Allocation);
            _allocationOf = select ? request.Export : _allocationOf;
        }

        _replies.Reply(option, NbdOptionReplyType.Ack);
    }

    private void Begin(NbdExport export, string name)
    {
        Export = export;
        Agreement = AgreementOn(export, name);
        Stage = NbdServerStage.Transmission;
    }

    private NbdAgreement AgreementOn(NbdExport export, string name) => NbdExportTable.Offer(export, _structuredReplies) with
    {
        StructuredReplies = _structuredReplies,
        AllocationContext = _structuredReplies && _allocationOf == name ? AllocationContext : null,
    };
}
