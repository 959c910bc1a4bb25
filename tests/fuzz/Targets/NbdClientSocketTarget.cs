using System.Net.Sockets;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A server's bytes to a whole device, socket included: every call must end when the server has hung up.</summary>
/// <remarks>The first byte says how the bytes are cut into pieces; the server sends them without waiting for a question.</remarks>
internal sealed class NbdClientSocketTarget : IFuzzTarget
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly ScratchFolder _folder = new();
    private readonly Lazy<Socket> _listener;

    public NbdClientSocketTarget() => _listener = new Lazy<Socket>(() =>
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_folder["nbd.sock"]));
        socket.Listen();
        return socket;
    });

    public string Name => "nbd-client-socket";

    public IReadOnlyList<string> Samples => ["nbd-client"];

    public IReadOnlyList<byte[]> Words => NbdScript.Words;

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            Task serving = ServeAsync(_listener.Value, input[1..].ToArray(), input[0]);
            try
            {
                Sync.Wait(UseAsync(trace).WaitAsync(s_patience));
            }
            catch (TimeoutException)
            {
                throw new DefectException("A call waits for ever.");
            }
            finally
            {
                Sync.Wait(serving);
            }
        }
    }

    private async Task UseAsync(Trace trace)
    {
        var uri = new NbdUri(new NbdAddress.Unix(_folder["nbd.sock"]), "disk");
        await using NbdDevice device = await NbdDevice.ConnectAsync(uri, new NbdClientOptions { MaxConnections = 1 }, default);
        trace.Note($"{device.Traits}", device.Length);
        byte[] buffer = new byte[8192];
        int block = device.Traits.RequiredAlignment;
        int count = (int)Math.Min(buffer.Length, device.Length) & -block;
        Func<Task>[] calls =
        [
            () => device.ReadAsync(0, buffer.AsMemory(0, count), default).AsTask(),
            () => device.WriteAsync(device.Length - count & -block, buffer.AsMemory(0, count), default).AsTask(),
            async () => await device.ExtentsAsync(0, Math.Min(device.Length, 1 << 20) & -block, default).CountAsync(),
            () => device.ReadAsync(0, new byte[Math.Min(block, count)], default).AsTask(),
            () => device.ZeroAsync(0, count, ZeroFlags.OnlyIfFast, default).AsTask(),
            () => device.FlushAsync(default).AsTask(),
        ];
        await Task.WhenAll(calls.Select(call => EndAsync(call, trace)));
    }

    private static async Task EndAsync(Func<Task> call, Trace trace)
    {
        string outcome = "done";
        try
        {
            await call();
        }
        catch (VmCryptException refusal)
        {
            outcome = refusal.ErrorId;
        }

        lock (trace)
        {
            trace.Note(outcome);
        }
    }

    private static async Task ServeAsync(Socket listener, byte[] bytes, byte rhythm)
    {
        using Socket client = await listener.AcceptAsync();
        try
        {
            foreach (ReadOnlyMemory<byte> piece in NbdScript.Pieces(bytes, rhythm))
            {
                await client.SendAsync(piece);
            }

            // Read on until the client has gone: closing over unread bytes would reset the connection under what it is still to read.
            client.Shutdown(SocketShutdown.Send);
            byte[] questions = new byte[16 * 1024];
            while (await client.ReceiveAsync(questions) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The client has hung up on what it was sent.
        }
    }
}
