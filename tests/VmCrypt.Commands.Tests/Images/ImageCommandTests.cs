using System.Text.Json;
using VmCrypt.Commands.Tests.Host;

namespace VmCrypt.Commands.Tests.Images;

public sealed class ImageCommandTests : IDisposable
{
    private readonly Vmcrypt _vmcrypt = new();

    public void Dispose() => _vmcrypt.Dispose();

    [Fact]
    public void Asks_twice_for_the_passphrase_of_a_new_disk_and_once_to_open_it()
    {
        var terminal = FakeTerminal.Interactive();
        string disk = _vmcrypt["asked.qcow2"];
        foreach (string secret in (string[])["geheim", "geheim", "geheim"])
        {
            terminal.Secrets.Enqueue(secret);
        }

        Assert.Equal(0, _vmcrypt.Run(terminal, "New-EncryptedImage", disk, "4MB", "-Iterations", "1000"));
        Assert.Equal(0, _vmcrypt.Run(terminal, "Test-KeySlot", disk));
        Assert.Equal(["Passphrase", "Passphrase, once more", "Passphrase"], terminal.Questions);
    }

    [Fact]
    public void Makes_nothing_when_the_two_are_not_the_same()
    {
        var terminal = FakeTerminal.Interactive();
        terminal.Secrets.Enqueue("geheim");
        terminal.Secrets.Enqueue("gehiem");

        Assert.Equal(2, _vmcrypt.Run(terminal, "New-EncryptedImage", _vmcrypt["never.qcow2"], "4MB"));
        Assert.StartsWith("vmcrypt: SecretMismatch: ", terminal.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(_vmcrypt["never.qcow2"]));
    }

    [Fact]
    public void Asks_nobody_where_nobody_is_and_nothing_where_nothing_is_needed()
    {
        string disk = _vmcrypt.NewImage();
        File.WriteAllBytes(_vmcrypt["plain.raw"], new byte[4096]);

        Assert.StartsWith("vmcrypt: KeyRequired: ", _vmcrypt.Fail("Convert-Image", disk, _vmcrypt["copy.raw"], "-Plain"), StringComparison.Ordinal);
        _vmcrypt.Pipe(string.Empty, "Convert-Image", _vmcrypt["plain.raw"], _vmcrypt["copy.raw"], "-Plain", "-Format", "Raw", "-DestinationFormat", "Raw");
        Assert.Equal(new byte[4096], File.ReadAllBytes(_vmcrypt["copy.raw"]));
    }

    [Fact]
    public void A_plain_disk_in_the_place_of_one_that_the_key_store_is_to_open_is_refused()
    {
        File.WriteAllBytes(_vmcrypt["plain.raw"], new byte[4096]);

        Assert.StartsWith("vmcrypt: NotEncrypted: ",
            _vmcrypt.Fail("Convert-Image", _vmcrypt["plain.raw"], _vmcrypt["copy.raw"], "-Plain", "-Format", "Raw", "-DestinationFormat", "Raw", "-StoredKey"), StringComparison.Ordinal);
        Assert.False(File.Exists(_vmcrypt["copy.raw"]));
    }

    [Fact]
    public void Objects_go_from_one_vmcrypt_to_the_next()
    {
        string disk = _vmcrypt.NewImage();

        string image = _vmcrypt.Pipe(string.Empty, "Get-EncryptedImage", disk);
        string slots = _vmcrypt.Pipe(image, "Get-KeySlot");
        string xml = _vmcrypt.Pipe(image, "New-LibvirtSecretXml", "-Private");

        Assert.Equal(disk, Vmcrypt.Json(image).GetProperty("Path").GetString());
        Assert.Equal("Inside", Vmcrypt.Json(image).GetProperty("Encryption").GetString());
        Assert.Equal(0, Vmcrypt.Json(slots).GetProperty("Slot").GetInt32());
        Assert.Contains($"<volume>{disk}</volume>", xml, StringComparison.Ordinal);
        _vmcrypt.Pipe(slots, "Remove-KeySlot", "-Force");
        Assert.Empty(_vmcrypt.Pipe(image, "Get-KeySlot"));
    }

    [Fact]
    public void An_image_that_cannot_be_used_says_why_in_JSON_too()
    {
        string disk = _vmcrypt.NewImage();
        _vmcrypt.Pipe(string.Empty, "New-EncryptedImage", _vmcrypt["overlay.qcow2"], "-BackingFile", "disk.qcow2", "-BackingFormat", "Qcow2",
            "-Passphrase", $"file:{_vmcrypt["first"]}", "-Iterations", "1000");
        File.Delete(disk);

        JsonElement reason = Vmcrypt.Json(_vmcrypt.Pipe(string.Empty, "Get-EncryptedImage", _vmcrypt["overlay.qcow2"])).GetProperty("Unusable");
        Assert.Equal("ReferencedFileMissing", reason.GetProperty("ErrorId").GetString());
    }

    [Fact]
    public void Shows_tables_and_lists_by_the_views_of_PowerShell()
    {
        string disk = _vmcrypt.NewImage();
        var table = FakeTerminal.Interactive();
        var list = FakeTerminal.Interactive();

        _vmcrypt.Run(table, "Get-KeySlot", disk);
        _vmcrypt.Run(list, "Get-EncryptedImage", disk, "-List");

        Assert.Equal(
            $"""

            Slot  Active  Bound  Priority  Kdf     Hash    Iterations  Memory  Tokens  Path
            ----  ------  -----  --------  ---     ----    ----------  ------  ------  ----
               0  True    True   Normal    pbkdf2  sha256        1000                  {disk}


            """.ReplaceLineEndings("\n"),
            table.Printed);
        Assert.Contains("\nVirtualSize   : 4 MiB (4194304 bytes)\n", list.Printed, StringComparison.Ordinal);
        Assert.Contains("\nKeySlots      : 0: pbkdf2 sha256, 1000 iterations\n", list.Printed, StringComparison.Ordinal);
    }

    [Fact]
    public void Matches_wildcards_that_the_shell_left_alone()
    {
        _vmcrypt.NewImage("a.qcow2");
        _vmcrypt.NewImage("b.qcow2");

        Assert.Equal(2, _vmcrypt.Pipe(string.Empty, "Get-EncryptedImage", _vmcrypt["*.qcow2"]).Trim().Split('\n').Length);
        Assert.StartsWith("vmcrypt: FileNotFound: ", _vmcrypt.Fail("Get-EncryptedImage", _vmcrypt["*.vhdx"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serves_an_image_whose_name_is_longer_than_a_socket_s_may_be()
    {
        string disk = _vmcrypt.NewImage(new string('n', 120) + ".qcow2");
        var terminal = FakeTerminal.Piped();

        Task<int> serving = Task.Run(
            () => _vmcrypt.Run(terminal, "Unlock-Image", disk, "-Passphrase", $"file:{_vmcrypt["first"]}"), TestContext.Current.CancellationToken);

        Assert.True(SpinWait.SpinUntil(() => terminal.Printed.EndsWith('\n') || serving.IsCompleted, TimeSpan.FromSeconds(30)));
        _vmcrypt.Signals.Stop();
        Assert.Equal(0, await serving);
    }

    [Fact]
    public void One_file_takes_the_copy_of_one_image()
    {
        string first = _vmcrypt.NewImage();
        string other = _vmcrypt.NewImage("other.qcow2");

        string[] copy = ["Unlock-Image", $"{first},{other}", "-Passphrase", $"file:{_vmcrypt["first"]}", "-OutFile", _vmcrypt["plain.raw"], "-Force"];

        Assert.StartsWith("vmcrypt: InvalidParameter: ", _vmcrypt.Fail(copy), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serves_in_the_foreground_until_it_is_told_to_stop()
    {
        string disk = _vmcrypt.NewImage();
        var terminal = FakeTerminal.Piped();
        Task<int> serving = Task.Run(
            () => _vmcrypt.Run(terminal, "Unlock-Image", disk, "-Passphrase", $"file:{_vmcrypt["first"]}", "-Socket", _vmcrypt["disk.sock"]),
            TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => terminal.Printed.EndsWith('\n') || serving.IsCompleted, TimeSpan.FromSeconds(30)));

        string uri = Vmcrypt.Json(terminal.Printed).GetProperty("Uri").GetString()!;
        using (var second = new Vmcrypt())
        {
            second.Pipe(string.Empty, "Convert-Image", uri, second["read.raw"], "-Format", "Raw", "-DestinationFormat", "Raw", "-Plain");
            Assert.Equal(4 << 20, new FileInfo(second["read.raw"]).Length);
        }

        _vmcrypt.Signals.Stop();
        Assert.Equal(0, await serving);
        Assert.False(File.Exists(_vmcrypt["disk.sock"]));
    }

    [Fact]
    public async Task Says_while_it_serves_that_renewed_keys_cannot_be_used()
    {
        string disk = _vmcrypt.NewImage();
        string keys = _vmcrypt["keys.psk"];
        File.WriteAllText(keys, "web01:000102030405060708090a0b0c0d0e0f\n");
        string copy = _vmcrypt["copy.psk"];
        File.Copy(keys, copy);
        var terminal = FakeTerminal.Piped();
        string[] command = ["Unlock-Image", disk, "-Passphrase", $"file:{_vmcrypt["first"]}", "-Socket", _vmcrypt["disk.sock"], "-TlsPskFile", keys];
        Task<int> serving = Task.Run(() => _vmcrypt.Run(terminal, command), TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => terminal.Printed.EndsWith('\n') || serving.IsCompleted, TimeSpan.FromSeconds(60)));

        File.WriteAllText(keys, "no key");
        using (var second = new Vmcrypt())
        {
            string uri = $"nbds+unix://web01@/?socket={_vmcrypt["disk.sock"]}&tls-psk-file={copy}";
            second.Pipe(string.Empty, "Convert-Image", uri, second["read.raw"], "-Format", "Raw", "-DestinationFormat", "Raw", "-Plain");
        }

        _vmcrypt.Signals.Stop();
        Assert.Equal(0, await serving);
        Assert.Contains("What was read before stays in use.", terminal.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pair_of_layer_and_secret_opens_a_chain()
    {
        _vmcrypt.NewImage();
        File.WriteAllText(_vmcrypt["second"], "second");
        _vmcrypt.Pipe(string.Empty, "New-EncryptedImage", _vmcrypt["overlay.qcow2"], "-BackingFile", "disk.qcow2", "-BackingFormat", "Qcow2",
            "-Passphrase", $"file:{_vmcrypt["second"]}", "-Iterations", "1000");

        string[] copy = ["Unlock-Image", _vmcrypt["overlay.qcow2"], "-Passphrase", $"file:{_vmcrypt["second"]}", "-OutFile", _vmcrypt["plain.raw"]];
        Assert.StartsWith("vmcrypt: WrongPassphrase: ", _vmcrypt.Fail(copy), StringComparison.Ordinal);
        _vmcrypt.Pipe(string.Empty, [.. copy, "-LayerPassphrase", $"disk.qcow2=file:{_vmcrypt["first"]}"]);
        Assert.Equal(4 << 20, new FileInfo(_vmcrypt["plain.raw"]).Length);
    }
}
