using System.Collections.Concurrent;
using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Tests.Usb.Lists;

public sealed class UsbPolicyTests : IAsyncLifetime
{
    private static readonly Guid s_uuid = new("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    private static readonly UsbDeviceDescription s_stick = UsbDeviceDescription.Parse("048d:1169");

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-usb-").FullName;
    private readonly ManualClock _clock = new(new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly UsbWhitelistStore _store;
    private UsbPolicy _policy = null!;

    public UsbPolicyTests() => _store = new UsbWhitelistStore(new ConfigurationFolder(_folder));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string VmFile => Path.Combine(_store.Path, "vm-vm01.json");

    public async ValueTask InitializeAsync() => _policy = await UsbPolicy.OpenAsync(_store, Token, _clock);

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
        var changes = new ConcurrentQueue<UsbPolicyChangedEventArgs>();
        UsbRule rule = UsbRuleText.Parse("048d:1169") with { ValidFrom = _clock.GetUtcNow().AddHours(1), ValidUntil = _clock.GetUtcNow().AddHours(2) };
        await _store.ChangeAsync("vm01", _ => [rule], Token);
        await Eventually(() => _policy.For(new VmIdentity("vm01")).Whitelist.Rules.Count == 1);
        _policy.Changed += (_, change) => changes.Enqueue(change);
        Assert.False(Allows("vm01"));

        _clock.Advance(TimeSpan.FromHours(1));
        Assert.True(Allows("vm01"));
        await Eventually(() => changes.Count == 1);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.False(Allows("vm01"));
        await Eventually(() => changes.Count == 2);

        Assert.All(changes, change => Assert.Empty(change.Files));
    }

    [Fact]
    public async Task A_list_of_another_user_denies_everything()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root can give files away");
        await _store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01"));

        using (Process chown = Process.Start("chown", ["65534", VmFile]))
        {
            await chown.WaitForExitAsync(Token);
        }

        await Eventually(() => !Allows("vm01"));
        Assert.Contains("user id 65534", _policy.Faults["vm-vm01.json"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_that_cannot_be_seen_does_not_fall_back_to_the_default_list()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "broken links are made on Linux");
        await _store.ChangeAsync(null, _ => [UsbRuleText.Parse("allow")], Token);
        await Eventually(() => Allows("vm01"));

        File.CreateSymbolicLink(VmFile, Path.Combine(_folder, "nowhere"));

        await Eventually(() => !Allows("vm01"));
        Assert.True(Allows("vm02"));
    }

    [Fact]
    public async Task A_VM_that_is_named_like_a_UUID_does_not_get_the_list_of_that_UUID()
    {
        await _store.ChangeAsync(s_uuid.ToString(), _ => [UsbRuleText.Parse("048d:1169")], Token);
        await Eventually(() => Allows("vm01", s_uuid));

        Assert.False(Allows(s_uuid.ToString()));
        Assert.False(Allows(s_uuid.ToString(), Guid.NewGuid()));
    }

    private async Task Eventually(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            // For the looks that nothing but time calls for.
            _clock.Advance(TimeSpan.FromMilliseconds(5));
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), "what should have happened within a minute did not");
            await Task.Delay(5, Token);
        }
    }

    private bool Allows(string vm, Guid? uuid = null) => _policy.For(new VmIdentity(vm, uuid)).Judge(s_stick, _clock.GetUtcNow()).Allowed;
}
