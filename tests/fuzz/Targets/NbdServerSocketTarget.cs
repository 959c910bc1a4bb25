using System.Collections.Concurrent;
using System.Net.Sockets;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A client's bytes to a whole server, threads and socket included. It must hang up when the client has.</summary>
/// <remarks>The first byte says how the bytes are cut into pieces.</remarks>
internal sealed class NbdServerSocketTarget : IFuzzTarget
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<Exception> _faults = [];
    private readonly ScratchFolder _folder = new();
    private readonly Lazy<NbdServer> _server;

    public NbdServerSocketTarget() => _server = new Lazy<NbdServer>(() =>
    {
        var options = new NbdServerOptions { Listen = [new NbdAddress.Unix(_folder["nbd.sock"])], OnFault = (_, fault) => _faults.Enqueue(fault) };
        NbdExport[] exports =
        [
            new("disk", new MemoryDevice(1024 * 1024)),
            new(string.Empty, new MemoryDevice(1024 * 1024)) { ReadOnly = true },
        ];
        return NbdServer.StartAsync(options, exports, default).GetAwaiter().GetResult();
    });

    public string Name => "nbd-server-socket";

    public IReadOnlyList<string> Samples => ["nbd-server"];

    public IReadOnlyList<byte[]> Words => NbdScript.Words;

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        _ = _server.Value;
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)s_patience.TotalMilliseconds };
        client.Connect(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
        Talk(client, input, trace);
        while (_faults.TryDequeue(out Exception? fault))
        {
            trace.Note((fault as VmCryptException)?.ErrorId ?? fault.GetType().Name);
            DefectException.Unless(fault is VmCryptException, $"The server meets with a {fault.GetType().Name}. {fault}");
        }
    }

    private static void Talk(Socket client, ReadOnlySpan<byte> input, Trace trace)
    {
        Task<long> receiving = Task.Run(() => Receive(client));
        try
        {
            foreach (ReadOnlyMemory<byte> piece in NbdScript.Pieces(input[1..].ToArray(), input[0]))
            {
                client.Send(piece.Span);
            }

            client.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The server has hung up on what it was sent.
        }

        trace.Note("answered", receiving.GetAwaiter().GetResult());
    }

    private static long Receive(Socket client)
    {
        byte[] buffer = new byte[64 * 1024];
        long sum = 0;
        try
        {
            while (client.Receive(buffer) is > 0 and int count)
            {
                sum += count;
            }
        }
        catch (SocketException broken)
        {
            DefectException.Unless(broken.SocketErrorCode != SocketError.TimedOut, "The server does not hang up.");
        }

        return sum;
    }
}
