using System.Diagnostics;
using VmCrypt.Cli;

namespace VmCrypt.Commands.Tests.Images;

/// <summary>The process as a whole, told to stop from outside.</summary>
public sealed class SignalTests : IDisposable
{
    private readonly Vmcrypt _vmcrypt = new();

    public void Dispose() => _vmcrypt.Dispose();

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public async Task A_signal_stops_a_conversion_at_once_and_leaves_no_half_file(string signal, int exitCode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signals");
        byte[] noise = new byte[32 << 20];
        Random.Shared.NextBytes(noise);
        await File.WriteAllBytesAsync(_vmcrypt["slow.raw"], noise, TestContext.Current.CancellationToken);
        string[] arguments =
        [
            "exec", typeof(CommandRunner).Assembly.Location, "Convert-Image", _vmcrypt["slow.raw"], _vmcrypt["copy.qcow2"],
            "-Format", "Raw", "-NewPassphrase", $"file:{_vmcrypt["first"]}", "-Iterations", "1000", "-BytesPerSecond", "1MB",
        ];
        var start = new ProcessStartInfo("dotnet", arguments) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardInput = true };
        using Process process = Process.Start(start)!;
        Assert.True(SpinWait.SpinUntil(() => Directory.GetFiles(_vmcrypt.Folder, "*.partial").Length > 0 || process.HasExited, TimeSpan.FromSeconds(30)));

        using (Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
        {
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(exitCode, process.ExitCode);
        Assert.Empty(await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["first", "slow.raw"], Directory.GetFiles(_vmcrypt.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }
}
