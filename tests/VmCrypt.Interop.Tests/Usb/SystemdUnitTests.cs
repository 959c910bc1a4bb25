using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using VmCrypt.Core.Tests.Architecture;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Usb;

/// <summary>The guard as a service: the unit that the documentation shows, and what systemd is told.</summary>
public sealed class SystemdUnitTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Systemd_takes_the_unit_of_the_documentation()
    {
        string[] page = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "usb.md"));
        string unit = string.Join('\n', page.SkipWhile(line => line != "```ini").Skip(1).TakeWhile(line => line != "```"));
        Assert.Contains("ExecStart=/usr/local/bin/vmcrypt ", unit, StringComparison.Ordinal);
        string file = _scratch.File("vmcrypt-usb.service", Encoding.UTF8.GetBytes(unit.Replace("/usr/local/bin/vmcrypt", "/bin/true", StringComparison.Ordinal)));

        (int exitCode, string output, string error) = Tools.TryRun("systemd-analyze", "verify", "--man=no", file);

        Assert.Equal((0, string.Empty), (exitCode, (output + error).Split('\n').FirstOrDefault(line => line.Contains("vmcrypt", StringComparison.Ordinal)) ?? string.Empty));
    }

    [Fact]
    public async Task The_guard_tells_systemd_that_it_is_ready_and_that_it_stops()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(_scratch["notify"]));
        using Process guard = Vmcrypt.Start(
            new Dictionary<string, string> { ["NOTIFY_SOCKET"] = _scratch["notify"], ["VMCRYPT_CONFIG"] = _scratch["config"] },
            ["Start-UsbGuard", $"unix:{_scratch["vm.qmp"]}", "-Json"]);
        Task<string> events = guard.StandardOutput.ReadToEndAsync(Token);

        Assert.Equal("READY=1", await NextAsync(manager));
        Tools.Run("kill", "-TERM", $"{guard.Id}");
        Assert.Equal("STOPPING=1", await NextAsync(manager));

        await guard.WaitForExitAsync(Token).WaitAsync(TimeSpan.FromMinutes(1), Token);
        Assert.Equal(0, guard.ExitCode);
        Assert.Contains("VmLost", await events, StringComparison.Ordinal);
    }

    private static async Task<string> NextAsync(Socket manager)
    {
        byte[] message = new byte[256];
        int length = await manager.ReceiveAsync(message, Token).AsTask().WaitAsync(TimeSpan.FromMinutes(1), Token);
        return Encoding.ASCII.GetString(message, 0, length);
    }
}
