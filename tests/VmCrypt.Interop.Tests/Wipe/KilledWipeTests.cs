using System.Diagnostics;
using System.Text.Json;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>The command line, killed and told to stop: the next run goes on and the end is the same.</summary>
public sealed class KilledWipeTests : IDisposable
{
    // Ends within a block: the file is longer while it is wiped.
    private const int Size = (4 << 20) + 1000;

    private readonly Scratch _scratch = new();
    private readonly Random _random = new();

    private ConfigurationFolder Configuration => new(_scratch.Folder);

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<string> Standards() => [.. WipeStandards.BuiltIn.All.Where(standard => standard is { CryptoErase: false }).Select(standard => standard.Name)];

    [Theory]
    [MemberData(nameof(Standards))]
    public async Task Killed_at_random_every_standard_ends_as_if_nothing_had_happened(string standard)
    {
        int passes = WipeStandards.BuiltIn[standard].Passes.Count;
        string path = _scratch["disk.img"];
        string journal = path + ".wipe-journal";
        for (int seconds = 1; !File.Exists(journal); seconds *= 2)
        {
            Assert.True(seconds < 64, "it has always ended before it was killed");
            File.WriteAllBytes(path, WipeLab.Noise(Size));
            await KillAsync(journal, "Invoke-SecureWipe", path, standard, "-FlushSeconds", "0", "-Confirm:$false",
                "-ThrottleMBps", $"{Math.Max(1, Size / 1_000_000 * (passes + 1) / seconds)}");
        }

        byte[] expected = await ExpectedAsync(journal, standard);
        WipeResult result = await new WipeService(Configuration).ResumeAsync(path, null, null, TestContext.Current.CancellationToken);

        Assert.Equal((WipeStatus.Erased, 1, passes), (result.Status, result.Resumes, result.Passes.Count));
        Assert.Equal(expected, File.ReadAllBytes(path));
        Assert.All(result.Passes, pass => Assert.True(pass.WrittenBytes >= Size));
        Assert.False(File.Exists(journal));
        Assert.True((await AuditLog.Of(Configuration).VerifyAsync(TestContext.Current.CancellationToken)).IsUnbroken);
    }

    private async Task KillAsync(string journal, params string[] command)
    {
        using Process process = Start(command);
        Assert.True(SpinWait.SpinUntil(() => process.HasExited || File.Exists(journal), TimeSpan.FromSeconds(60)));
        await Task.Delay(_random.Next(900), TestContext.Current.CancellationToken);
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    // What an uninterrupted wipe with the seed of the journal leaves.
    private async Task<byte[]> ExpectedAsync(string journal, string standard)
    {
        using SecretBuffer key = await HostKey.LoadAsync(Configuration, TestContext.Current.CancellationToken);
        (WipeJournal opened, SecretBuffer seed) = await WipeJournal.OpenAsync(journal, key, TestContext.Current.CancellationToken);
        await opened.DisposeAsync();
        using var passes = new PassSequence(WipeStandards.BuiltIn[standard], seed);
        using PassContent last = passes.Open(passes.Count);
        byte[] bytes = new byte[Size];
        last.Fill(0, bytes);
        return bytes;
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("INT", 130)]
    public async Task A_signal_stops_it_at_once_and_leaves_a_journal(string signal, int exitCode)
    {
        string path = _scratch.File("disk.img", WipeLab.Noise(Size));
        using Process process = Start("Invoke-SecureWipe", path, "Random", "-ThrottleMBps", "2", "-Confirm:$false");
        Assert.True(SpinWait.SpinUntil(() => process.HasExited || File.Exists(_scratch["audit.log"]) && File.ReadAllText(_scratch["audit.log"]).Contains("Wipe.Begin"), TimeSpan.FromSeconds(30)));
        await Task.Delay(300, TestContext.Current.CancellationToken);

        Tools.Run("kill", $"-{signal}", $"{process.Id}");
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(exitCode, process.ExitCode);
        Assert.Contains("Resume-SecureWipe", await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(File.Exists(path + ".wipe-journal"));
        Assert.Equal("Erased", Finish("Resume-SecureWipe", path, "-Force").GetProperty("Status").GetString());
        Assert.False(File.Exists(path + ".wipe-journal"));
    }

    private static Dictionary<string, string> Environment(string folder) => new() { ["VMCRYPT_CONFIG"] = folder };

    private Process Start(params string[] arguments) => Vmcrypt.Start(Environment(_scratch.Folder), arguments);

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
