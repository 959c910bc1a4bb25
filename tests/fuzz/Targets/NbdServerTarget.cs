using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>An NBD client's bytes, from its flags to its last request, without a socket.</summary>
/// <remarks>
/// The first byte says how the bytes are cut into pieces, and (its top bits) whether TLS is optional or required; what
/// follows STARTTLS stands for what TLS would have decrypted.
/// </remarks>
internal sealed class NbdServerTarget : IFuzzTarget
{
    private const long DiskSize = 1024 * 1024;
    private const int WorthDirect = 4096;

    public string Name => "nbd-server";

    public IReadOnlyList<byte[]> Words => NbdScript.Words;

    /// <summary>A disk for each kind of client: one that may do everything, one that may only read, one that wants whole blocks.</summary>
    public static NbdExport[] Exports(Trace trace) =>
    [
        new("disk", new SparseDisk([1, 2, 3], DiskSize, trace)) { Description = "the disk" },
        new(string.Empty, new SparseDisk([1, 2, 3], DiskSize, trace)) { ReadOnly = true },
        new("crypt", new CryptDevice(new SparseDisk([1, 2, 3], DiskSize, trace), Core.Crypto.SectorCipher.Create(Core.Crypto.CipherSpec.Default, new byte[32]))),
    ];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var output = new ArrayBufferWriter<byte>();
        NbdTlsMode tls = (input[0] >> 6) switch { 2 => NbdTlsMode.On, 3 => NbdTlsMode.Require, _ => NbdTlsMode.Off };
        var handshake = new NbdServerHandshake(new NbdExportTable(Exports(trace)), tls, output);
        var buffer = new NbdReceiveBuffer();
        using var pool = new NbdBufferPool();
        Transmission? transmission = null;
        foreach (ReadOnlyMemory<byte> piece in NbdScript.Pieces(input[1..].ToArray(), (byte)(input[0] & 0x7f)))
        {
            for (ReadOnlyMemory<byte> rest = piece; !rest.IsEmpty;)
            {
                Memory<byte> missing = transmission?.Missing ?? default;
                bool direct = missing.Length >= WorthDirect;
                Memory<byte> target = direct ? missing : buffer.Free;
                DefectException.Unless(!target.IsEmpty, "The server has no room for what it waits for.");
                int count = Math.Min(target.Length, rest.Length);
                rest[..count].CopyTo(target);
                rest = rest[count..];
                if (direct)
                {
                    transmission!.Received(count);
                }
                else
                {
                    buffer.Received(count);
                    Understand(handshake, buffer, output, trace, ref transmission, pool);
                }
            }
        }

        transmission?.Abandon();
    }

    private static void Understand(
        NbdServerHandshake handshake, NbdReceiveBuffer buffer, ArrayBufferWriter<byte> output, Trace trace, ref Transmission? transmission, NbdBufferPool pool)
    {
        while (handshake.Advance(buffer.Unread) is > 0 and int taken)
        {
            buffer.Consume(taken);
            trace.Note($"answered {(output.WrittenCount < NbdOptionReply.Size ? 0 : output.WrittenSpan[15])}", output.WrittenCount);
            output.ResetWrittenCount();
        }

        trace.Note($"{handshake.Stage}");
        if (handshake.Stage == NbdServerStage.StartTls)
        {
            StartTls(handshake, buffer);
        }

        if (handshake.Stage == NbdServerStage.Transmission)
        {
            transmission ??= new Transmission(handshake.Agreement!, handshake.Export!.Device, pool, trace);
            while (transmission.Advance(buffer.Unread) is > 0 and int taken)
            {
                buffer.Consume(taken);
            }
        }
    }

    /// <summary>As the connection does: plain bytes behind the wish for TLS are nobody's.</summary>
    private static void StartTls(NbdServerHandshake handshake, NbdReceiveBuffer buffer)
    {
        if (!buffer.Unread.IsEmpty)
        {
            throw new ProtocolException(ErrorIds.NbdTlsInjected, "Plain bytes follow.");
        }

        handshake.TlsStarted();
    }

    /// <summary>Requests cut out of the stream, and performed.</summary>
    private sealed class Transmission(NbdAgreement agreement, IBlockDevice device, NbdBufferPool pool, Trace trace)
    {
        private readonly NbdRequestReader _reader = new(agreement, pool);
        private readonly NbdRequestHandler _handler = new(device, pool);

        public Memory<byte> Missing => _reader.Missing;

        public int Advance(ReadOnlySpan<byte> input)
        {
            int taken = _reader.Advance(input, out NbdIncoming? incoming);
            Perform(incoming);
            return taken;
        }

        public void Received(int count) => Perform(_reader.Received(count));

        public void Abandon() => _reader.Abandon();

        private void Perform(NbdIncoming? incoming)
        {
            if (incoming is not { } whole)
            {
                return;
            }

            NbdCommand command = whole.Request.Command;
            trace.Note($"{(Enum.IsDefined(command) ? command.ToString() : "?")} {whole.Verdict}", whole.Request.Length);
            if (whole.Verdict == NbdError.None)
            {
                Sync.Wait(PerformAsync(whole));
            }

            if (whole.Data is { } data)
            {
                pool.Return(data);
            }
        }

        private async Task PerformAsync(NbdIncoming incoming)
        {
            switch (incoming.Request.Command)
            {
                case NbdCommand.Disconnect:
                    break;
                case NbdCommand.Read:
                    await _handler.ReadAsync(incoming.Request, new byte[incoming.Request.Length], default);
                    break;
                case NbdCommand.BlockStatus:
                    await _handler.ExtentsAsync(incoming.Request, [], default);
                    break;
                default:
                    await _handler.PerformAsync(incoming, default);
                    break;
            }
        }
    }
}
