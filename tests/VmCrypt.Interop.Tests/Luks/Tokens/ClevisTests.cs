using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>Disks that clevis opens: bound by it and unlocked by us, and the reverse.</summary>
[Collection(nameof(SwTpm))]
public sealed class ClevisTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public ClevisTests()
    {
        Tools.Require("clevis");
        Tools.Require("jose");
        _cryptsetup = new Cryptsetup(_scratch);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_disk_bound_to_tang_by_clevis_opens_by_its_token_while_the_server_is_there()
    {
        Tools.Require("clevis-luks-bind");
        await using TangServer tang = TangServer.Start(_scratch);
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        byte[] key = await disk.VolumeKeyAsync();
        Bind(disk, "tang", tang.Policy());

        KeyTokenFacts token = Assert.Single((await disk.OpenAsync()).Facts.Tokens);
        Assert.Equal($"tang {tang.Url}", TokenNeeds.Of(token)!.ToString());
        Assert.Equal(Tools.Run("cryptsetup", "token", "export", "--token-id", "0", disk.Path), token.Json);
        using (DiskKeys keys = await UnlockAsync(disk, token.Number))
        {
            Assert.Equal(key, keys.VolumeKey!.Span.ToArray());
            Assert.Equal(1, keys.Slot);
        }

        using (DiskKeys keys = await UnlockAsync(disk, null))
        {
            Assert.Equal(1, keys.Slot);
        }

        await tang.DisposeAsync();
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(async () => (await UnlockAsync(disk, 0)).Dispose());
        Assert.Equal(ErrorIds.KeyTokenHelperFailed, fault.ErrorId);
        Assert.Contains("clevis", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_we_make_of_what_clevis_encrypts_is_clevis_own()
    {
        Tools.Require("clevis-luks-pass");
        await using TangServer tang = TangServer.Start(_scratch);
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        string passphrase = Guid.NewGuid().ToString("N");
        string token = ClevisToken(passphrase, "tang", tang.Policy());

        await disk.ChangeAsync(LuksDisk.Passphrase, async (header, unlocked) =>
        {
            using SecretBuffer secret = LuksDisk.Secret(passphrase);
            Assert.Equal((1, 0), await header.AddSlotWithTokenAsync(unlocked.Key, secret, null, LuksDisk.Quick.Cost, token, Token));
            return 0;
        });

        Assert.Equal(passphrase, Tools.Run("clevis", "luks", "pass", "-d", disk.Path, "-s", "1"));
        Assert.Contains("tang", Tools.Run("clevis", "luks", "list", "-d", disk.Path), StringComparison.Ordinal);
        Tools.Run("clevis", "luks", "unlock", "-d", disk.Path, "-t", "1");
        using DiskKeys keys = await UnlockAsync(disk, 0);
        Assert.Equal(1, keys.Slot);
    }

    [Fact]
    public async Task A_token_whose_slot_was_changed_is_told_from_a_server_that_is_away()
    {
        await using TangServer tang = TangServer.Start(_scratch);
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        string token = ClevisToken("of before", "tang", tang.Policy());
        await disk.ChangeAsync(LuksDisk.Passphrase, async (header, _) => await header.AddTokenAsync(KeyTokenJson.Assign(token, [0]), null, Token));

        var wrong = await Assert.ThrowsAsync<WrongKeyException>(async () => (await UnlockAsync(disk, 0)).Dispose());

        Assert.Equal(ErrorIds.WrongPassphrase, wrong.ErrorId);
    }

    [Fact]
    public async Task A_TPM_and_a_threshold_of_servers_open_too()
    {
        Tools.Require("clevis-encrypt-tpm2");
        Tools.Require("clevis-luks-bind");
        await using TangServer tang = TangServer.Start(_scratch);
        using SwTpm tpm = await SwTpm.StartAsync(_scratch);
        tpm.Announce();
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        byte[] key = await disk.VolumeKeyAsync();
        Bind(disk, "tpm2", """{"pcr_bank":"sha256","pcr_ids":"0,7"}""");
        tpm.Flush();
        string shared = $$"""{"tang":[{{tang.Policy()}}],"tpm2":[{"pcr_bank":"sha256","pcr_ids":"7"}]}""";
        Bind(disk, "sss", $"{{\"t\":2,\"pins\":{shared}}}");
        tpm.Flush();

        Assert.Equal(
            ["TPM 2.0, PCR 0+7 (sha256)", $"2 of (tang {tang.Url}; TPM 2.0, PCR 7 (sha256))"],
            (await disk.OpenAsync()).Facts.Tokens.Select(token => TokenNeeds.Of(token)!.ToString()));
        for (int token = 0; token < 2; token++)
        {
            using DiskKeys keys = await UnlockAsync(disk, token);
            Assert.Equal(key, keys.VolumeKey!.Span.ToArray());
            Assert.Equal(token + 1, keys.Slot);
            tpm.Flush();
        }

        // Another state of the machine than the one that the token was made in.
        Tools.Run("tpm2_pcrextend", "0:sha256=" + new string('a', 64));
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(async () => (await UnlockAsync(disk, 0)).Dispose());
        Assert.Equal(ErrorIds.KeyTokenHelperFailed, fault.ErrorId);
    }

    public void Dispose() => _scratch.Dispose();

    private void Bind(LuksDisk disk, string pin, string policy) =>
        Tools.Run("clevis", "luks", "bind", "-y", "-k", _cryptsetup.KeyFile(LuksDisk.Passphrase), "-d", disk.Path, pin, policy);

    private string ClevisToken(string passphrase, string pin, string policy)
    {
        string secret = _cryptsetup.KeyFile(passphrase);
        string compact = Tools.Run("sh", "-c", $"clevis encrypt {pin} '{policy}' < '{secret}'");
        return $$"""{"type":"clevis","keyslots":[],"jwe":{{Tools.Run("jose", "jwe", "fmt", "--input", _scratch.File($"{Guid.NewGuid():N}.jwe", Encoding.ASCII.GetBytes(compact)))}}}""";
    }

    private static async Task<DiskKeys> UnlockAsync(LuksDisk disk, int? token) => await TokenUnlock.ByTokenAsync(
        DiskLocation.Parse(disk.Path), DiskOpenOptions.Default, token, null, s_patience, Token);
}
