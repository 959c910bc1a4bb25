using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>A TPM 2.0 in software.</summary>
internal sealed class SwTpm : IDisposable
{
    private const string Variable = "TPM2TOOLS_TCTI";

    private readonly Process _process;
    private bool _announced;

    private SwTpm(Process process, int port)
    {
        _process = process;
        Device = $"swtpm:host=127.0.0.1,port={port}";
    }

    /// <summary>How tpm2-tss names it.</summary>
    public string Device { get; }

    /// <summary>Starts it; skips the test where it is not installed.</summary>
    public static async Task<SwTpm> StartAsync(Scratch scratch)
    {
        Tools.Require("swtpm");
        Tools.Require("tpm2_createprimary");
        Assert.SkipWhen(Directory.GetDirectories("/usr/lib", "*-linux-gnu").SelectMany(folder => Directory.GetFiles(folder, "libtss2-tcti-swtpm.so*")).FirstOrDefault() is null, "tpm2-tss cannot talk to swtpm here");
        string state = Directory.CreateDirectory(scratch[$"{Guid.NewGuid():N}.tpm"]).FullName;
        int port = FreePair();
        Process process = Process.Start(new ProcessStartInfo("swtpm",
        [
            "socket", "--tpm2", "--tpmstate", $"dir={state}", "--server", $"type=tcp,port={port}", "--ctrl", $"type=tcp,port={port + 1}",
            "--flags", "not-need-init,startup-clear",
        ])
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var tpm = new SwTpm(process, port);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await AnswersAsync(port + 1))
        {
            await Task.Delay(20, limit.Token);
        }

        return tpm;
    }

    /// <summary>Tells tpm2-tools of it, through our environment: one test at a time.</summary>
    public void Announce()
    {
        Environment.SetEnvironmentVariable(Variable, Device);
        _announced = true;
    }

    /// <summary>Drops what the tools of before left in it: there is no resource manager between.</summary>
    public void Flush()
    {
        foreach (string kind in new[] { "-t", "-l", "-s" })
        {
            Tools.TryRun("tpm2_flushcontext", kind);
        }
    }

    public void Dispose()
    {
        if (_announced)
        {
            Environment.SetEnvironmentVariable(Variable, null);
        }

        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static async Task<bool> AnswersAsync(int port)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    // tpm2-tss takes the control channel to be the port above.
    private static int FreePair()
    {
        for (int port = 20_000 + Random.Shared.Next(20_000); ; port += 2)
        {
            try
            {
                using var first = new TcpListener(IPAddress.Loopback, port);
                using var second = new TcpListener(IPAddress.Loopback, port + 1);
                first.Start();
                second.Start();
                return port;
            }
            catch (SocketException)
            {
                // The next pair.
            }
        }
    }
}
