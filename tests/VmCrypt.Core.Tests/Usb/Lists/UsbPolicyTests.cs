using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Lists;

public sealed class UsbPolicyTests : IAsyncLifetime
{
    private static readonly Guid s_uuid = new("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    private static readonly UsbDeviceDescription s_stick = UsbDeviceDescription.Parse("048d:1169");

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-usb-").FullName;
    private readonly UsbWhitelistStore _store;
    private UsbPolicy _policy = null!;

    public UsbPolicyTests() => _store = new UsbWhitelistStore(new ConfigurationFolder(_folder));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string VmFile => Path.Combine(_store.Path, "vm-vm01.json");

    public async ValueTask InitializeAsync() => _policy = await UsbPolicy.OpenAsync(_store, Token);

    public async ValueTask DisposeAsync()
    {
        await _policy.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Without_lists_nothing_is_allowed_and_a_new_list_counts_at_once()
    {
        Assert.False(Allows("vm01"));

        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);

        await Eventually(() => Allows("vm01"));
        Assert.False(Allows("vm02"));
    }

    [Fact]
    public async Task The_list_of_the_UUID_comes_before_the_name_and_that_before_the_default()
    {
        await _store.ChangeAsync(null, _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));

        await _store.ChangeAsync("vm01", _ => [], Token);
        await Eventually(() => !Allows("vm01"));
        Assert.True(Allows("vm02"));

        await _store.ChangeAsync(s_uuid.ToString(), _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01", s_uuid));
        Assert.False(Allows("vm01"));

        await _store.RemoveAsync("vm01", Token);
        await Eventually(() => Allows("vm01"));
    }

    [Theory]
    [InlineData("{\"vm\": \"vm01\", \"rules\": [\"allow 048d:11")]
    [InlineData("")]
    public async Task A_broken_list_denies_everything_until_it_is_mended(string content)
    {
        await _store.ChangeAsync(null, _ => [UsbRuleText.Parse("allow")], Token);
        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));

        File.WriteAllText(VmFile, content);
        await Eventually(() => !Allows("vm01"));
        Assert.Contains("vm-vm01.json", _policy.Faults.Keys);
        Assert.True(Allows("vm02"));

        await _store.RemoveAsync("vm01", Token);
        await Eventually(() => Allows("vm01"));
        Assert.Empty(_policy.Faults);
    }

    [Fact]
    public async Task A_list_that_others_can_write_denies_everything()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "file modes are checked on Linux");
        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));

        File.SetUnixFileMode(VmFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite);
        await Eventually(() => !Allows("vm01"));

        File.SetUnixFileMode(VmFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await Eventually(() => Allows("vm01"));

        File.SetUnixFileMode(_store.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherWrite);
        await Eventually(() => !Allows("vm01"));
    }

    [Fact]
    public async Task A_folder_that_vanishes_denies_everything_and_is_watched_again_when_it_is_back()
    {
        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));

        Directory.Delete(_store.Path, recursive: true);
        await Eventually(() => !Allows("vm01"));

        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));
    }

    [Fact]
    public async Task Says_so_when_time_takes_a_rule_out_of_force()
    {
        var changes = new List<UsbPolicyChangedEventArgs>();
        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169") with { ValidUntil = DateTimeOffset.UtcNow.AddSeconds(3) }], Token);
        await Eventually(() => Allows("vm01"));
        _policy.Changed += (_, change) => changes.Add(change);

        await Eventually(() => !Allows("vm01"));

        await Eventually(() => changes.Exists(change => change.Files.Count == 0));
    }

    private static async Task Eventually(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), "what should have happened within 20 seconds did not");
            await Task.Delay(5, Token);
        }
    }

    private bool Allows(string vm, Guid? uuid = null) => _policy.For(new VmIdentity(vm, uuid)).Judge(s_stick, DateTimeOffset.UtcNow).Allowed;
}
