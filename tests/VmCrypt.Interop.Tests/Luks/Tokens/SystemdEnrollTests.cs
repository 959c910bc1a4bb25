using System.Diagnostics;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>Recovery keys and TPM tokens of systemd-cryptenroll, and ours beside them.</summary>
public sealed class SystemdEnrollTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public SystemdEnrollTests()
    {
        Tools.Require("systemd-cryptenroll");
        _cryptsetup = new Cryptsetup(_scratch);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_recovery_key_of_theirs_opens_for_us_in_any_spelling()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);

        string printed = Enroll(disk, "--recovery-key").Trim();

        KeyTokenFacts token = Assert.Single((await disk.OpenAsync()).Facts.Tokens);
        Assert.Equal(("recovery-key", 1), (TokenNeeds.Of(token)!.Kind, token.KeySlots.Single()));
        Assert.True((await disk.OpenAsync()).Facts.HoldsRandomKey(1));
        foreach (string typed in new[] { printed, printed.ToUpperInvariant(), printed.Replace("-", string.Empty, StringComparison.Ordinal) })
        {
            Assert.Equal(1, await disk.SlotOfAsync(typed));
        }
    }

    [Fact]
    public async Task A_recovery_key_of_ours_is_theirs_too()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        using var current = new DiskKeys(LuksDisk.Secret(LuksDisk.Passphrase));

        using MadeRecoveryKey made = await RecoveryKeys.AddAsync(DiskLocation.Parse(disk.Path), DiskOpenOptions.Default, current, null, Token);

        Assert.Equal((1, 0), (made.Slot, made.Token));
        Assert.True(_cryptsetup.Opens(disk, System.Text.Encoding.ASCII.GetString(made.Key.Span), "--key-slot", "1"));
        Assert.Matches(@"1 recovery", Tools.Run("systemd-cryptenroll", disk.Path));
        Assert.Equal("""{"type":"systemd-recovery","keyslots":["1"]}""", Tools.Run("cryptsetup", "token", "export", "--token-id", "0", disk.Path));
    }

    [Fact]
    public async Task A_TPM_token_of_theirs_is_understood_and_kept_while_slots_change()
    {
        using SwTpm tpm = await SwTpm.StartAsync(_scratch);
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        Enroll(disk, $"--tpm2-device={tpm.Device}", "--tpm2-pcrs=0+7");
        string before = Tools.Run("cryptsetup", "token", "export", "--token-id", "0", disk.Path);

        KeyTokenFacts token = Assert.Single((await disk.OpenAsync()).Facts.Tokens);
        Assert.Equal("TPM 2.0, PCR 0+7 (sha256)", TokenNeeds.Of(token)!.ToString());
        await disk.AddAsync(LuksDisk.Passphrase, "second");
        await disk.ReplaceAsync("second", "changed");
        await disk.RemoveAsync("changed");

        Assert.Equal(before, Tools.Run("cryptsetup", "token", "export", "--token-id", "0", disk.Path));
        Assert.Matches(@"1 tpm2", Tools.Run("systemd-cryptenroll", disk.Path));
    }

    public void Dispose() => _scratch.Dispose();

    // It takes the passphrase from its environment.
    private static string Enroll(LuksDisk disk, params string[] options)
    {
        var start = new ProcessStartInfo("systemd-cryptenroll", [.. options, disk.Path])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PASSWORD"] = LuksDisk.Passphrase;
        using Process process = Process.Start(start)!;
        Task<string> complaints = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, complaints.Result);
        return output;
    }
}
