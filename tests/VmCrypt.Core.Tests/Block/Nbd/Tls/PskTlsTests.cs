using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd.Tls;

namespace VmCrypt.Core.Tests.Block.Nbd.Tls;

public sealed class PskTlsTests
{
    private static readonly byte[] s_key = new byte[32];

    [Fact]
    public async Task An_answer_to_an_alert_waits_for_the_record_that_is_being_written()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(listener.LocalEndpoint);
        using var gate = new WriteGate(new NetworkStream(listener.AcceptSocket(), ownsSocket: true));
        Task<Stream> accepting = Task.Run(() => PskTls.Accept(gate, _ => s_key), TestContext.Current.CancellationToken);
        Stream client = PskTls.Connect(new NetworkStream(socket, ownsSocket: false), "alice", s_key);
        await using Stream server = await accepting;

        gate.Shut();
        Task writing = Task.Run(() => server.Write(new byte[100]), TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => gate.Most == 1, TimeSpan.FromSeconds(20)));
        await client.DisposeAsync();
        Task reading = Task.Run(() => server.Read(new byte[100]), TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => gate.Most > 1, TimeSpan.FromSeconds(1));
        gate.Open();
        await Task.WhenAll(writing, reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

        Assert.Equal(1, gate.Most);
    }

    /// <summary>Holds up what is written, and counts how many write at a time.</summary>
    private sealed class WriteGate(Stream inner) : Stream
    {
        private readonly ManualResetEventSlim _open = new(initialState: true);
        private int _inside;
        private int _most;

        public int Most => Volatile.Read(ref _most);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public void Shut()
        {
            _open.Reset();
            Volatile.Write(ref _most, 0);
        }

        public void Open() => _open.Set();

        public override void Write(byte[] buffer, int offset, int count)
        {
            int inside = Interlocked.Increment(ref _inside);
            Volatile.Write(ref _most, Math.Max(inside, Most));
            _open.Wait();
            inner.Write(buffer, offset, count);
            Interlocked.Decrement(ref _inside);
        }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Flush() => inner.Flush();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _open.Set();
            inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
