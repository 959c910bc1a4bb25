using System.Text;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>Tokens stored, exported, assigned and forgotten by cryptsetup and by us: the same bytes in the header.</summary>
public sealed class CryptsetupTokenTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public CryptsetupTokenTests() => _cryptsetup = new Cryptsetup(_scratch);

    public static TheoryData<string> Good =>
    [
        """{"type":"plain","keyslots":[]}""",
        """{ "type" : "spaced", "keyslots" : [ "0" , "1" ], "a" : [ 1, -2, 3.50, 1e5, 9007199254740993, true, null, {} ] }""",
        """{"keyslots":["1"],"type":"clevis","jwe":{"ciphertext":"a-_","encrypted_key":"","iv":"x","protected":"eyJ9","tag":"t"}}""",
        """{"type":"texts","keyslots":["0"],"a":"/+=\"\\\b\f\n\r\t\u0001\u0012","ü":"größer €"}""",
        """{"type":"systemd-recovery","keyslots":["1"]}""",
        """{"type":"luks2-keyring","keyslots":["0"],"key_description":"vm:web"}""",
    ];

    public static TheoryData<string> Bad =>
    [
        "", "no json", "[]", "42", "{}",
        """{"keyslots":[]}""", """{"type":"x"}""", """{"type":42,"keyslots":[]}""", """{"type":"x","keyslots":{}}""",
        """{"type":"x","keyslots":[0]}""", """{"type":"x","keyslots":["7"]}""", """{"type":"x","keyslots":["one"]}""",
        """{"type":"luks2-other","keyslots":[]}""", """{"type":"luks2-keyring","keyslots":[]}""",
        """{"type":"luks2-keyring","keyslots":[],"key_description":""}""",
        """{"type":"luks2-keyring","keyslots":[],"key_description":1}""",
        """{"type":"luks2-keyring","keyslots":[],"key_description":"x","more":1}""",
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Good))]
    public async Task An_imported_token_is_the_same_metadata_and_the_same_export(string json)
    {
        (LuksDisk ours, LuksDisk theirs) = await TwinsAsync();

        await AddAsync(ours, new NewKeyToken { Json = json });
        Tools.Run("cryptsetup", "token", "import", "--json-file", _scratch.File("token.json", Encoding.UTF8.GetBytes(json)), theirs.Path);

        Assert.Equal(Metadata(theirs), Metadata(ours));
        KeyTokenFacts token = Assert.Single((await ours.OpenAsync()).Facts.Tokens);
        Assert.Equal(Tools.Run("cryptsetup", "token", "export", "--token-id", "0", ours.Path), token.Json);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task What_cryptsetup_does_not_import_neither_do_we(string json)
    {
        (LuksDisk ours, LuksDisk theirs) = await TwinsAsync();
        byte[] before = File.ReadAllBytes(ours.Path);

        var error = await Assert.ThrowsAsync<InvalidInputException>(() => AddAsync(ours, new NewKeyToken { Json = json }));

        Assert.Equal(ErrorIds.KeyTokenInvalid, error.ErrorId);
        Assert.Equal(before, File.ReadAllBytes(ours.Path));
        Assert.NotEqual(0, Tools.TryRun(
            "cryptsetup", "token", "import", "--json-file", _scratch.File("token.json", Encoding.UTF8.GetBytes(json)), theirs.Path).ExitCode);
    }

    [Fact]
    public async Task Options_of_the_import_mean_the_same()
    {
        (LuksDisk ours, LuksDisk theirs) = await TwinsAsync();
        string file = _scratch.File("token.json", """{"type":"x","keyslots":[]}"""u8.ToArray());

        Assert.Equal(3, await AddAsync(ours, new NewKeyToken { Json = File.ReadAllText(file), Number = 3, KeySlots = [1] }));
        Tools.Run("cryptsetup", "token", "import", "--json-file", file, "--token-id", "3", "--key-slot", "1", theirs.Path);
        Assert.Equal(Metadata(theirs), Metadata(ours));

        Assert.Equal(0, await AddAsync(ours, new NewKeyToken { KeyDescription = "vm:web" }));
        Tools.Run("cryptsetup", "token", "add", "--key-description", "vm:web", theirs.Path);
        Assert.Equal(Metadata(theirs), Metadata(ours));

        Assert.Equal(5, await AddAsync(ours, new NewKeyToken { KeyDescription = "one slot", KeySlots = [0], Number = 5 }));
        Tools.Run("cryptsetup", "token", "add", "--key-description", "one slot", "--key-slot", "0", "--token-id", "5", theirs.Path);
        Assert.Equal(Metadata(theirs), Metadata(ours));

        await KeyTokens.AssignAsync(Location(ours), DiskOpenOptions.Default, 0, slots => slots.Except([1]), Token);
        Tools.Run("cryptsetup", "token", "unassign", "--token-id", "0", "--key-slot", "1", theirs.Path);
        Assert.Equal(Metadata(theirs), Metadata(ours));

        await KeyTokens.RemoveAsync(Location(ours), DiskOpenOptions.Default, 3, Token);
        Tools.Run("cryptsetup", "token", "remove", "--token-id", "3", theirs.Path);
        Assert.Equal(Metadata(theirs), Metadata(ours));

        var taken = await Assert.ThrowsAsync<RefusedException>(() => AddAsync(ours, new NewKeyToken { Json = File.ReadAllText(file), Number = 5 }));
        Assert.Equal(ErrorIds.KeyTokensFull, taken.ErrorId);
        Assert.NotEqual(0, Tools.TryRun("cryptsetup", "token", "import", "--json-file", file, "--token-id", "5", theirs.Path).ExitCode);
        Assert.Equal(5, await AddAsync(ours, new NewKeyToken { Json = File.ReadAllText(file), Number = 5, Replace = true }));
    }

    [Fact]
    public async Task A_slot_that_is_removed_or_changed_leaves_the_same_tokens()
    {
        (LuksDisk ours, LuksDisk theirs) = await TwinsAsync();
        foreach (LuksDisk disk in new[] { ours, theirs })
        {
            await AddAsync(disk, new NewKeyToken { Json = """{"type":"both","keyslots":["0","1"]}""" });
            await AddAsync(disk, new NewKeyToken { Json = """{"type":"second","keyslots":["1"]}""" });
            await AddAsync(disk, new NewKeyToken { Json = """{"type":"first","keyslots":["0"]}""" });
        }

        await ours.ReplaceAsync(LuksDisk.Passphrase, "changed");
        _cryptsetup.ChangeKey(theirs, LuksDisk.Passphrase, "changed");
        Assert.Equal(Tokens(theirs), Tokens(ours));

        await ours.RemoveAsync("second");
        _cryptsetup.KillSlot(theirs, 1, "changed");
        Assert.Equal(Tokens(theirs), Tokens(ours));
        Assert.Contains("\"second\"", Tokens(ours), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_passphrase_in_the_kernels_keyring_opens_for_both()
    {
        string description = $"vmcrypt:{Guid.NewGuid():N}";
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        await AddAsync(disk, new NewKeyToken { KeyDescription = description });
        var missing = await Assert.ThrowsAsync<DeviceFaultException>(() => UnlockAsync(disk));
        Assert.Equal(ErrorIds.KeyTokenHelperFailed, missing.ErrorId);
        Assert.Equal($"key '{description}' in the kernel's keyring", TokenNeeds.Of((await disk.OpenAsync()).Facts.Tokens[0])!.ToString());

        using (Keyring.Add(description, LuksDisk.Passphrase))
        {
            Tools.Run("cryptsetup", "open", "--test-passphrase", "--token-only", "--token-id", "0", disk.Path);
            Assert.Equal(0, await UnlockAsync(disk));
        }

        using (Keyring.Add(description, "another"))
        {
            Assert.NotEqual(0, Tools.TryRun("cryptsetup", "open", "--test-passphrase", "--token-only", "--token-id", "0", disk.Path).ExitCode);
            Assert.Equal(ErrorIds.WrongPassphrase, (await Assert.ThrowsAsync<WrongKeyException>(() => UnlockAsync(disk))).ErrorId);
        }
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>Two disks that are alike to the last byte, with slots 0 and 1.</summary>
    private async Task<(LuksDisk Ours, LuksDisk Theirs)> TwinsAsync()
    {
        LuksDisk ours = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2);
        await ours.AddAsync(LuksDisk.Passphrase, "second");
        return (ours, new LuksDisk(_scratch.File($"{Guid.NewGuid():N}.luks", File.ReadAllBytes(ours.Path))));
    }

    private static async Task<int> AddAsync(LuksDisk disk, NewKeyToken token) =>
        await KeyTokens.AddAsync(Location(disk), DiskOpenOptions.Default, token, Token);

    private static async Task<int?> UnlockAsync(LuksDisk disk)
    {
        using DiskKeys keys = await TokenUnlock.ByTokenAsync(Location(disk), DiskOpenOptions.Default, 0, null, TimeSpan.FromMinutes(1), Token);
        return keys.Slot;
    }

    private static DiskLocation Location(LuksDisk disk) => DiskLocation.Parse(disk.Path);

    // The JSON area of the first copy, without the NULs behind.
    private static string Metadata(LuksDisk disk) => Encoding.UTF8.GetString(File.ReadAllBytes(disk.Path).AsSpan(4096, 12288)).TrimEnd('\0');

    private string Tokens(LuksDisk disk) => _cryptsetup.Json(disk)["tokens"]!.ToJsonString();
}
