using System.Diagnostics;
using System.Text.Json;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>The command line, killed and told to stop: the next run goes on and the end is the same.</summary>
public sealed class KilledWipeTests : IDisposable
{
    private const int Size = 12 << 20;

    private readonly Scratch _scratch = new();
    private readonly Random _random = new(4);

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("Random", null, 30)]
    [InlineData("DoD7", 0xFF, 100)]
    [InlineData("BMB21-2007", 0x00, 100)]
    [InlineData("Gutmann-nwipe", null, 500)]
    public void Killed_at_random_it_goes_on_until_it_is_done(string standard, int? last, int megabytesPerSecond)
    {
        string path = _scratch.File("disk.img", WipeLab.Noise(Size));
        string[] command =
        [
            "Invoke-SecureWipe", path, standard, "-FlushSeconds", "0", "-Confirm:$false",
            "-ThrottleMBps", megabytesPerSecond.ToString(), "-StatePath", _scratch["state"],
        ];

        int resumes = 0;
        for (int round = 0; round < 3; round++)
        {
            bool killed = Kill(TimeSpan.FromMilliseconds(_random.Next(400, 1500)), command);
            resumes += killed && Directory.Exists(_scratch["state"]) && Directory.EnumerateFiles(_scratch["state"]).Any() ? 1 : 0;
        }

        JsonElement result = Finish(command);

        Assert.Equal("Erased", result.GetProperty("Status").GetString());
        Assert.InRange(resumes, 1, 3);
        if (last is { } value)
        {
            Assert.All(File.ReadAllBytes(path), actual => Assert.Equal(value, actual));
        }

        JsonElement[] passes = [.. result.GetProperty("Passes").EnumerateArray()];
        Assert.All(passes, pass => Assert.True(pass.GetProperty("WrittenBytes").GetInt64() >= Size - (5 << 20)));
        Assert.Equal(Size, passes[^1].GetProperty("VerifiedBytes").GetInt64());
        Assert.Empty(Directory.EnumerateFiles(_scratch["state"]));
        (int exitCode, string error) = Run("Test-AuditLog");
        Assert.True(exitCode == 0, error);
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("INT", 130)]
    public async Task A_signal_stops_it_at_once_and_leaves_a_journal(string signal, int exitCode)
    {
        string path = _scratch.File("disk.img", WipeLab.Noise(Size));
        using Process process = Start("Invoke-SecureWipe", path, "Random", "-ThrottleMBps", "5", "-Confirm:$false");
        Assert.True(SpinWait.SpinUntil(() => process.HasExited || File.Exists(_scratch["audit.log"]) && File.ReadAllText(_scratch["audit.log"]).Contains("Wipe.Begin"), TimeSpan.FromSeconds(30)));
        await Task.Delay(300, TestContext.Current.CancellationToken);

        var clock = Stopwatch.StartNew();
        Tools.Run("kill", $"-{signal}", $"{process.Id}");
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(exitCode, process.ExitCode);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 5);
        Assert.Contains("Resume-SecureWipe", await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(File.Exists(path + ".wipe-journal"));
        Assert.Equal("Erased", Finish("Resume-SecureWipe", path, "-Force").GetProperty("Status").GetString());
        Assert.False(File.Exists(path + ".wipe-journal"));
    }

    private static Dictionary<string, string> Environment(string folder) => new() { ["VMCRYPT_CONFIG"] = folder };

    private Process Start(params string[] arguments) => Vmcrypt.Start(Environment(_scratch.Folder), arguments);

    private bool Kill(TimeSpan delay, string[] arguments)
    {
        using Process process = Start(arguments);
        bool ended = process.WaitForExit(delay);
        if (!ended)
        {
            process.Kill();
            process.WaitForExit();
        }

        return !ended;
    }

    private (int ExitCode, string Error) Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error + output.Result);
    }

    private JsonElement Finish(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error.Result);
        return JsonDocument.Parse(output).RootElement;
    }
}
