using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Lists;

public sealed class UsbWhitelistStoreTests : IDisposable
{
    private static readonly UsbRule s_stick = UsbRuleText.Parse("048d:1169 label=stick");

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-usb-").FullName;
    private readonly UsbWhitelistStore _store;

    public UsbWhitelistStoreTests() => _store = new UsbWhitelistStore(new ConfigurationFolder(_folder));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(null, "default.json")]
    [InlineData("vm01", "vm-vm01.json")]
    [InlineData("../etc/passwd", "vm-..%2Fetc%2Fpasswd.json")]
    [InlineData("Büro 1", "vm-B%C3%BCro%201.json")]
    [InlineData("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "vm-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11.json")]
    public async Task Keeps_each_list_in_a_file_of_its_own(string? vm, string file)
    {
        await _store.ChangeAsync(vm, rules => [.. rules, s_stick], Token);

        Assert.Equal([file], Directory.GetFiles(_store.Path, "*.json").Select(Path.GetFileName));
        Assert.Equal([s_stick], (await _store.FindAsync(vm, Token))!.Rules);
        Assert.Equal(vm?.ToLowerInvariant(), Assert.Single(_store.Names())?.ToLowerInvariant());
    }

    [Fact]
    public async Task Many_writers_at_once_lose_nothing()
    {
        await Task.WhenAll(Enumerable.Range(0, 32).Select(number => Task.Run(() => _store.ChangeAsync(
            "vm01", rules => [.. rules, new UsbRule { Allow = true, VendorId = 1, ProductId = (ushort)number }], Token))));

        UsbWhitelist list = (await _store.FindAsync("vm01", Token))!;

        Assert.Equal(Enumerable.Range(0, 32), list.Rules.Select(rule => (int)rule.ProductId!).Order());
    }

    [Fact]
    public async Task A_removed_list_is_gone()
    {
        await _store.ChangeAsync("vm01", _ => [s_stick], Token);

        Assert.True(await _store.RemoveAsync("vm01", Token));
        Assert.False(await _store.RemoveAsync("vm01", Token));
        Assert.Null(await _store.FindAsync("vm01", Token));
        Assert.Empty(_store.Names());
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    public async Task Refuses_what_cannot_be_a_name(string vm)
    {
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _store.FindAsync(vm, Token));
        Assert.Equal(ErrorIds.UsbVmNameInvalid, error.ErrorId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"vm": "vm01", "rules": ["allow 048d:1169", "allow 048d"]}""")]
    [InlineData("""{"vm": "vm01", "rules": [1]}""")]
    [InlineData("""{"vm": "vm01", "rules": [null]}""")]
    [InlineData("""{"vm": "vm01", "rules": null}""")]
    [InlineData("""{"vm": "vm01", "roles": []}""")]
    [InlineData("""{"vm": "vm01", "rules": [], "rules": ["allow"]}""")]
    public async Task Refuses_a_file_that_holds_no_list(string content)
    {
        _store.Create();
        File.WriteAllText(Path.Combine(_store.Path, "vm-vm01.json"), content);

        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _store.FindAsync("vm01", Token));
        Assert.Equal(ErrorIds.ConfigurationInvalid, error.ErrorId);
    }

    [Fact]
    public async Task A_file_without_rules_is_a_list_that_allows_nothing()
    {
        _store.Create();
        File.WriteAllText(Path.Combine(_store.Path, "vm-vm01.json"), "{}");

        Assert.Empty((await _store.FindAsync("vm01", Token))!.Rules);
    }

    [Fact]
    public async Task Refuses_a_list_that_others_can_write()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "file modes are checked on Linux");
        await _store.ChangeAsync("vm01", _ => [s_stick], Token);
        File.SetUnixFileMode(Path.Combine(_store.Path, "vm-vm01.json"), UnixFileMode.UserRead | UnixFileMode.OtherWrite);

        var error = await Assert.ThrowsAsync<RefusedException>(() => _store.FindAsync("vm01", Token));
        Assert.Equal(ErrorIds.ConfigurationUnsafe, error.ErrorId);
    }
}
