using System.Net.Sockets;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdListenerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_socket_is_for_its_owner_only_and_gone_after_the_stop()
    {
        using var scratch = new Scratch();
        await using (await StartAsync(new NbdAddress.Unix(scratch["s"])))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Storage.ModeOf(scratch["s"]));
        }

        Assert.False(Path.Exists(scratch["s"]));
    }

    [Fact]
    public async Task Takes_over_the_socket_of_a_killed_server()
    {
        using var scratch = new Scratch();
        LeaveSocket(scratch["s"], scratch["elsewhere"]);
        Assert.True(Path.Exists(scratch["s"]));

        await using NbdServer server = await StartAsync(new NbdAddress.Unix(scratch["s"]));

        await using NbdDevice client = await NbdDevice.ConnectAsync(server.Uri, NbdClientOptions.Default, Token);
        Assert.Equal(4096, client.Length);
    }

    [Fact]
    public async Task Leaves_a_file_that_is_no_socket_alone()
    {
        using var scratch = new Scratch();
        string file = scratch.File("disk.img", []);

        await FailsAsync(new NbdAddress.Unix(file));

        Assert.True(File.Exists(file));
    }

    [Fact]
    public async Task Refuses_addresses_that_are_taken_and_frees_those_it_took()
    {
        using var scratch = new Scratch();
        await using NbdServer unix = await StartAsync(new NbdAddress.Unix(scratch["s"]));
        await using NbdServer tcp = await StartAsync(new NbdAddress.Tcp("127.0.0.1", 0));

        await FailsAsync(unix.Uri.Address);
        await FailsAsync(tcp.Uri.Address);
        await FailsAsync(new NbdAddress.Unix(scratch["other"]), tcp.Uri.Address);

        Assert.False(Path.Exists(scratch["other"]));
        (await NbdDevice.ConnectAsync(unix.Uri, NbdClientOptions.Default, Token)).DisposeAsync().AsTask().Wait(Token);
    }

    [Fact]
    public async Task An_abstract_socket_needs_no_file()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the abstract namespace is Linux's");
        await using NbdServer server = await StartAsync(new NbdAddress.Unix($"\0vmcrypt-{Guid.NewGuid()}"));

        await using NbdDevice client = await NbdDevice.ConnectAsync(NbdUri.Parse(server.Uri.ToString()), NbdClientOptions.Default, Token);

        Assert.Equal(4096, client.Length);
    }

    [Fact]
    public async Task Turns_clients_away_beyond_the_limit_until_one_leaves()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096), options => options with { MaxConnections = 2 });
        RawClient first = RawClient.Open(server.Server);
        using RawClient second = RawClient.Open(server.Server);

        Assert.False(CanOpen(server.Server));
        first.Dispose();
        await NbdServerTests.UntilAsync(() => CanOpen(server.Server));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00000003")]
    [InlineData("0000000349484156454f505400000007")]
    public async Task Drops_a_client_whose_handshake_takes_too_long(string sent)
    {
        await using TestServer server = await TestServer.StartAsync(
            new MemoryDevice(4096), options => options with { HandshakeTimeout = TimeSpan.FromSeconds(3) });
        using RawClient slow = RawClient.Connect(server.Server);
        slow.Send(Convert.FromHexString(sent));
        using RawClient quick = RawClient.Open(server.Server);

        Assert.True(slow.IsHungUp());
        await Task.Delay(500, Token);
        quick.Send(Wire.Request(NbdCommand.Read, 0, 1));
        Assert.Equal(NbdError.None, quick.ReadError(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task Refuses_a_set_of_exports_that_cannot_be_told_apart(int exports)
    {
        using var scratch = new Scratch();
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => NbdServer.StartAsync(
            new NbdServerOptions { Listen = [new NbdAddress.Unix(scratch["s"])] },
            [.. Enumerable.Range(0, exports).Select(_ => new NbdExport("disk", new MemoryDevice(4096)))],
            Token));

        Assert.Equal(ErrorIds.InvalidParameter, error.ErrorId);
        Assert.False(Path.Exists(scratch["s"]));
    }

    private static bool CanOpen(NbdServer server)
    {
        try
        {
            RawClient.Open(server).Dispose();
            return true;
        }
        catch (Exception refused) when (refused is SocketException or Xunit.Sdk.XunitException)
        {
            return false;
        }
    }

    private static Task<NbdServer> StartAsync(params NbdAddress[] addresses) =>
        NbdServer.StartAsync(new NbdServerOptions { Listen = addresses }, [new NbdExport("disk", new MemoryDevice(4096))], Token);

    private static async Task FailsAsync(params NbdAddress[] addresses)
    {
        var error = await Assert.ThrowsAsync<DeviceBusyException>(() => StartAsync(addresses));
        Assert.Equal(ErrorIds.NbdAddressInUse, error.ErrorId);
    }

    // .NET takes the file away with the socket, unless it is not where it was bound.
    private static void LeaveSocket(string path, string boundAt)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(boundAt));
        socket.Listen();
        File.Move(boundAt, path);
    }
}
