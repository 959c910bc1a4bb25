using VmCrypt.Core.Nbd.Authorization;

namespace VmCrypt.Core.Tests.Nbd.Authorization;

/// <summary>Modules that do not answer; what PAM itself says, Interop.Tests ask.</summary>
public sealed class PamAuthorizationTests
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void A_module_that_hangs_lets_nobody_in_and_takes_only_so_many_threads()
    {
        using var answer = new ManualResetEventSlim();
        int running = 0;
        var pam = new PamAuthorization("test", Hang, s_short);

        for (int i = 0; i < PamAuthorization.MaxChecks; i++)
        {
            Assert.False(pam.Allows("web01", out string why));
            Assert.Contains("has not answered within", why, StringComparison.Ordinal);
        }

        Assert.False(pam.Allows("web01", out string full));
        Assert.Contains("for 8 others", full, StringComparison.Ordinal);
        Assert.InRange(Volatile.Read(ref running), 1, PamAuthorization.MaxChecks);

        answer.Set();
        Assert.True(SpinWait.SpinUntil(() => pam.Allows("web01", out _), TimeSpan.FromMinutes(1)));

        int Hang(string service, string user)
        {
            Interlocked.Increment(ref running);
            answer.Wait();
            return 0;
        }
    }

    [Fact]
    public void What_the_module_answers_counts()
    {
        var pam = new PamAuthorization("test", (_, user) => user == "web01" ? 0 : 7, TimeSpan.FromMinutes(1));

        Assert.True(pam.Allows("web01", out _));
        Assert.False(pam.Allows("web02", out string why));
        Assert.Contains("answers 7", why, StringComparison.Ordinal);
    }
}
