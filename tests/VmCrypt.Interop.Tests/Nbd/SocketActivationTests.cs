using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using VmCrypt.Core.Tests.Architecture;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>An export on a socket that somebody else opened: systemd's own tool, and libnbd.</summary>
public sealed class SocketActivationTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Libnbd_starts_an_export_and_ends_it()
    {
        (string image, string key) = NewImage();

        Assert.EndsWith("4194304", Tools.Run("nbdinfo", "--size", "--", "[", "dotnet", "exec", Vmcrypt.Program, "Unlock-Image", image, "-KeyFile", key, "]").Trim(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Systemd_starts_an_export_for_its_first_client_and_hears_how_far_it_is()
    {
        Tools.Require("systemd-socket-activate");
        Tools.Require("nbdinfo");
        (string image, string key) = NewImage();
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(_scratch["notify"]));
        string socket = _scratch["socket"];
        using Process service = Activate(socket, ["Unlock-Image", image, "-KeyFile", key]);
        Task<string> output = service.StandardOutput.ReadToEndAsync(Token);
        Task<string> error = service.StandardError.ReadToEndAsync(Token);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(socket), TimeSpan.FromSeconds(20)));

        Task<string> client = Task.Run(() => Tools.Run("nbdinfo", "--size", $"nbd+unix:///?socket={socket}"), Token);
        Assert.Equal("READY=1", await NextAsync(manager));
        Assert.Equal("4194304", (await client).Trim());
        Tools.Run("kill", "-TERM", $"{service.Id}");
        Assert.Equal("STOPPING=1", await NextAsync(manager));

        await service.WaitForExitAsync(Token).WaitAsync(TimeSpan.FromMinutes(1), Token);
        Assert.Contains(socket, await output, StringComparison.Ordinal);
        Assert.True(service.ExitCode is 0 or 143, $"{service.ExitCode}: {await error}");
        Assert.True(File.Exists(socket), "the socket is systemd's, and the next client's");
    }

    [Fact]
    public async Task An_open_socket_is_not_served_in_clear_because_somebody_else_opened_it()
    {
        Tools.Require("systemd-socket-activate");
        (string image, string key) = NewImage();
        int port = FreePort();
        using Process service = Activate($"0.0.0.0:{port}", ["Unlock-Image", image, "-KeyFile", key]);
        _ = service.StandardOutput.ReadToEndAsync(Token);
        Task<string> error = service.StandardError.ReadToEndAsync(Token);
        for (bool connected = false; !connected && !service.HasExited; connected = TryConnect(port))
        {
            await Task.Delay(20, Token);
        }

        await service.WaitForExitAsync(Token).WaitAsync(TimeSpan.FromMinutes(1), Token);

        Assert.Contains("NbdPlainRefused", await error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("many")]
    [InlineData("1")]
    public void What_is_no_socket_is_refused(string count)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        (string image, string key) = NewImage();

        (int exitCode, string _, string error) = Tools.TryRun(
            "bash", "-c", $"export LISTEN_PID=$$ LISTEN_FDS={count}; exec dotnet exec {Vmcrypt.Program} Unlock-Image {image} -KeyFile {key} 3</dev/null");

        Assert.NotEqual(0, exitCode);
        Assert.Contains("SocketActivationInvalid", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Systemd_takes_the_units_of_the_documentation()
    {
        string[] names = ["vmcrypt-web.socket", "vmcrypt-web.service"];
        string[] units = File.ReadAllText(Path.Combine(Repository.Root, "docs", "nbd-tls.md")).Split("```ini\n")[1..].Select(part => part.Split("```")[0]).ToArray();
        Assert.Equal(names.Length, units.Length);

        // systemd's 0755 is one that we refuse.
        Assert.Contains("RuntimeDirectoryMode=0700", units[1], StringComparison.Ordinal);
        foreach ((string name, string unit) in names.Zip(units))
        {
            _scratch.File(name, Encoding.UTF8.GetBytes(unit.Replace("/usr/local/bin/vmcrypt", "/bin/true", StringComparison.Ordinal)));
        }

        (int exitCode, string output, string error) = Tools.TryRun("systemd-analyze", ["verify", "--man=no", .. names.Select(name => _scratch[name])]);

        Assert.Equal((0, string.Empty), (exitCode, (output + error).Split('\n').FirstOrDefault(line => line.Contains("vmcrypt", StringComparison.Ordinal)) ?? string.Empty));
    }

    private (string Image, string Key) NewImage()
    {
        string key = _scratch.File("key", "first"u8);
        Vmcrypt.Run("New-EncryptedImage", _scratch["disk.luks"], "4MB", "-Format", "Raw", "-KeyFile", key, "-Iterations", "1000");
        return (_scratch["disk.luks"], key);
    }

    private Process Activate(string listen, string[] command) => Process.Start(new ProcessStartInfo(
        "systemd-socket-activate",
        ["-l", listen, "-E", $"NOTIFY_SOCKET={_scratch["notify"]}", "-E", $"HOME={_scratch.Folder}", "-E", $"PATH={Environment.GetEnvironmentVariable("PATH")}", "dotnet", "exec", Vmcrypt.Program, .. command])
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static int FreePort()
    {
        using var probe = new TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static bool TryConnect(int port)
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<string> NextAsync(Socket manager)
    {
        byte[] message = new byte[256];
        int length = await manager.ReceiveAsync(message, Token).AsTask().WaitAsync(TimeSpan.FromMinutes(1), Token);
        return Encoding.ASCII.GetString(message, 0, length);
    }
}
