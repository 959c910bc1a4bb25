using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Tests.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Nbd;

/// <summary>A server that does what a test says, after a handshake without any options.</summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly TaskCompletionSource _stopping = new();
    private readonly Task _running;

    /// <param name="script">Runs once per connection, which ends with it.</param>
    public FakeServer(Func<FakeServer.Peer, Task> script)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(_scratch["s"]));
        _listener.Listen();
        _running = AcceptAsync(script);
    }

    public NbdUri Uri => new(new NbdAddress.Unix(_scratch["s"]), "disk");

    /// <summary>A disk of 1 MiB with the given flags besides "has flags".</summary>
    public static FakeServer WithDisk(NbdTransmissionFlags flags, Func<Peer, Task> script) => new(async peer =>
    {
        await peer.SendAsync([.. "NBDMAGICIHAVEOPT"u8, 0, 2]);
        await peer.ReadAsync(4 + 16 + 4);
        await peer.SendAsync([.. Wire.U64(1 << 20), .. Wire.U16((int)(flags | NbdTransmissionFlags.HasFlags))]);
        await script(peer);
    });

    public async ValueTask DisposeAsync()
    {
        _stopping.SetResult();
        _listener.Dispose();
        await _running;
        _scratch.Dispose();
    }

    private async Task AcceptAsync(Func<Peer, Task> script)
    {
        var peers = new List<Task>();
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptAsync();
                peers.Add(ServeAsync(new Peer(socket, _stopping.Task), script));
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(peers);
        }
    }

    private static async Task ServeAsync(Peer peer, Func<Peer, Task> script)
    {
        using (peer)
        {
            try
            {
                await script(peer);
            }
            catch (Exception gone) when (gone is SocketException or EndOfStreamException)
            {
                // The client has had enough.
            }
        }
    }

    internal sealed class Peer(Socket socket, Task stopping) : IDisposable
    {
        /// <summary>Ends when the test does.</summary>
        public Task Stopping => stopping;

        public async Task SendAsync(byte[] bytes) => await socket.SendAsync(bytes);

        public async Task<byte[]> ReadAsync(int count)
        {
            byte[] bytes = new byte[count];
            for (int at = 0; at < count;)
            {
                int got = await socket.ReceiveAsync(bytes.AsMemory(at));
                at += got > 0 ? got : throw new EndOfStreamException();
            }

            return bytes;
        }

        public async Task<NbdRequest> ReadRequestAsync() => NbdRequest.Parse(await ReadAsync(NbdRequest.Size));

        /// <summary>Until the client goes.</summary>
        public async Task IgnoreAsync()
        {
            while (true)
            {
                await ReadAsync(1);
            }
        }

        public void Dispose() => socket.Dispose();
    }
}
