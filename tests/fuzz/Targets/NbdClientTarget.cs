using System.Buffers;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>An NBD server's bytes, from its greeting to its last reply, without a socket.</summary>
/// <remarks>The first byte says how the bytes are cut into pieces, and (its top bits) whether the client only lists exports and wants TLS.</remarks>
internal sealed class NbdClientTarget : IFuzzTarget
{
    private const byte ListOnly = 0x80;
    private const byte WantTls = 0x40;
    private const int CallSize = 8192;

    public string Name => "nbd-client";

    public IReadOnlyList<byte[]> Words => NbdScript.Words;

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var received = new Queue<ReadOnlyMemory<byte>>(NbdScript.Pieces(input[1..].ToArray(), (byte)(input[0] & ~ListOnly)));
        var client = new SocketlessClient(received, trace);
        client.Negotiate((input[0] & ListOnly) != 0 ? null : "disk", (input[0] & WantTls) != 0);
        client.Converse();
    }

    /// <summary>Does what <see cref="NbdConnector"/> and <see cref="NbdConnection"/> do with what they receive.</summary>
    private sealed class SocketlessClient(Queue<ReadOnlyMemory<byte>> pieces, Trace trace)
    {
        private const int WorthDirect = 4096;

        private readonly NbdReceiveBuffer _buffer = new();
        private NbdAgreement? _agreement;
        private ReadOnlyMemory<byte> _rest;

        public void Negotiate(string? export, bool tls)
        {
            var output = new ArrayBufferWriter<byte>();
            var handshake = new NbdClientHandshake(export, tls, output);
            while (!handshake.IsFinished)
            {
                while (handshake.Advance(_buffer.Unread) is > 0 and int taken)
                {
                    _buffer.Consume(taken);
                    trace.Note("sent", output.WrittenSpan);
                }

                output.ResetWrittenCount();
                if (handshake.WantsTls)
                {
                    // The connector refuses what follows in clear; what comes from here on stands for what TLS would have decrypted.
                    DefectException.Unless(output.WrittenCount == 0, "The client speaks before TLS stands.");
                    handshake.TlsStarted();
                    continue;
                }

                if (!handshake.IsFinished && !Receive(_buffer.Free))
                {
                    throw handshake.HungUp();
                }
            }

            _agreement = handshake.Agreement;
            trace.Note($"agreed {_agreement?.StructuredReplies} {_agreement?.AllocationContext is not null}", handshake.Exports?.Count ?? 0);
        }

        public void Converse()
        {
            if (_agreement is null)
            {
                return;
            }

            var calls = new NbdCalls();
            NbdCall[] waiting = [.. NewCalls()];
            Array.ForEach(waiting, calls.Add);
            var reader = new NbdReplyReader(_agreement, calls);
            try
            {
                while (true)
                {
                    while (reader.Advance(_buffer.Unread) is > 0 and int taken)
                    {
                        _buffer.Consume(taken);
                    }

                    bool direct = reader.Missing.Length >= WorthDirect;
                    if (!Receive(direct ? reader.Missing : _buffer.Free, direct ? reader.Received : _buffer.Received))
                    {
                        break;
                    }
                }
            }
            finally
            {
                reader.Close();
                calls.Close(new EndOfStreamException());
                Array.ForEach(waiting, NoteEnd);
            }
        }

        private static IEnumerable<NbdCall> NewCalls()
        {
            yield return new NbdCall(NbdCommand.Read, NbdCommandFlags.None, 0, CallSize, new byte[CallSize]);
            yield return new NbdCall(NbdCommand.Write, NbdCommandFlags.None, 4096, CallSize);
            yield return new NbdCall(NbdCommand.BlockStatus, NbdCommandFlags.None, 0, 1 << 20);
            yield return new NbdCall(NbdCommand.Read, NbdCommandFlags.None, 512, 100, new byte[100]);
            yield return new NbdCall(NbdCommand.WriteZeroes, NbdCommandFlags.FastZero, 0, CallSize);
            yield return new NbdCall(NbdCommand.Flush, NbdCommandFlags.None, 0, 0);
        }

        private void NoteEnd(NbdCall call)
        {
            DefectException.Unless(call.Task.IsCompleted, "A call waits for ever.");
            trace.Note($"{call.Request.Command} {(call.Task.Exception?.InnerException as VmCryptException)?.ErrorId}", call.Extents.Count);
            DefectException.Unless(
                call.Task.Exception?.InnerException is null or VmCryptException, $"A call ends with {call.Task.Exception?.InnerException?.GetType()}.");
        }

        private bool Receive(Memory<byte> target) => Receive(target, _buffer.Received);

        private bool Receive(Memory<byte> target, Action<int> received)
        {
            DefectException.Unless(!target.IsEmpty, "The client has no room for what it waits for.");
            if (_rest.IsEmpty && !pieces.TryDequeue(out _rest))
            {
                return false;
            }

            int count = Math.Min(target.Length, _rest.Length);
            _rest[..count].CopyTo(target);
            _rest = _rest[count..];
            received(count);
            return true;
        }
    }
}
