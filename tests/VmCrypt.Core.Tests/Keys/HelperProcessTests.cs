using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys;

/// <summary>Programs that answer, complain, hang, talk too much, or do not listen.</summary>
public sealed class HelperProcessTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(2);

    public HelperProcessTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "the helpers are shell scripts");

    [Fact]
    public async Task The_question_goes_in_and_the_answer_comes_out_byte_by_byte()
    {
        byte[] question = [.. Enumerable.Range(0, 40_000).Select(i => (byte)i)];

        using SecretBuffer answer = await HelperProcess.AskAsync("cat", [], question, s_long, Sample.Token);

        Assert.Equal(question, answer.Span.ToArray());
    }

    [Theory]
    [InlineData("exit 3", "sh ended with 3.")]
    [InlineData("echo ' no server '>&2; echo 'at all.'>&2; exit 1", "sh ended with 1: no server; at all.")]
    [InlineData("printf 'x\\033[2J'>&2; exit 1", "sh ended with 1: x?[2J.")]
    [InlineData("true", "sh gave an empty passphrase.")]
    [InlineData("head -c 70000 /dev/zero", "sh gave more than 65536 bytes.")]
    [InlineData("head -c 3000000 /dev/zero >&2; exit 1", null)]
    [InlineData("echo half; exit 1", "sh ended with 1.")]
    public async Task What_a_helper_complains_about_is_told(string script, string? sentence)
    {
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => AskAsync(script, s_long));

        Assert.Equal(ErrorIds.KeyTokenHelperFailed, fault.ErrorId);
        Assert.True(sentence is null || sentence == fault.Message, fault.Message);
        Assert.True(fault.Message.Length < 4096);
    }

    [Fact]
    public async Task A_helper_that_does_not_answer_is_stopped_with_its_children()
    {
        string name = $"/tmp/vmcrypt-helper-{Guid.NewGuid():N}";
        try
        {
            var fault = await Assert.ThrowsAsync<DeviceFaultException>(
                () => AskAsync($"sleep 1000 & echo $! > {name}; wait", TimeSpan.FromSeconds(2)));

            Assert.Equal(ErrorIds.KeyTokenHelperTimeout, fault.ErrorId);
            int child = int.Parse(File.ReadAllText(name));
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (IsAsleep(child))
            {
                await Task.Delay(10, limit.Token);
            }
        }
        finally
        {
            File.Delete(name);
        }
    }

    [Fact]
    public async Task A_user_who_gives_up_gets_no_error_but_an_end()
    {
        using var stop = new CancellationTokenSource();
        Task<SecretBuffer> asked = HelperProcess.AskAsync("sh", ["-c", "sleep 1000"], default, s_long, stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_named()
    {
        var fault = await Assert.ThrowsAsync<MissingException>(() => HelperProcess.AskAsync("no-such-helper", [], default, s_long, Sample.Token));

        Assert.Equal(ErrorIds.KeyTokenHelperMissing, fault.ErrorId);
        Assert.Contains("no-such-helper", fault.Message, StringComparison.Ordinal);
    }

    // A process that was killed is gone when the kernel comes to it; until somebody asks for it, its name is empty.
    private static bool IsAsleep(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Contains("sleep", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task AskAsync(string script, TimeSpan patience)
    {
        byte[] question = Encoding.ASCII.GetBytes(new string('q', 200_000));
        (await HelperProcess.AskAsync("sh", ["-c", script], question, patience, Sample.Token)).Dispose();
    }
}
