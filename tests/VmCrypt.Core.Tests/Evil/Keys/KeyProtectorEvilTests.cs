using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Evil.Keys;

/// <summary>A good list of protectors with one value changed: it is refused before anything is allocated or derived for it.</summary>
public sealed class KeyProtectorEvilTests
{
    private const string Good =
        """[{"id":"0f0e0d0c-0b0a-0908-0706-050403020100","kind":"Passphrase","created":"2026-01-02T03:04:05+00:00","salt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","memoryKiB":64,"passes":4,"lanes":1,"nonce":"AAAAAAAAAAAAAAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA==","wrappedKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]""";

    /// <summary>{"clevis":{"pin":"tang","tang":{"url":"http://evil.example"}}}: who has that server chooses the key.</summary>
    private const string Tang = "eyJjbGV2aXMiOnsicGluIjoidGFuZyIsInRhbmciOnsidXJsIjoiaHR0cDovL2V2aWwuZXhhbXBsZSJ9fX0.b.c.d.e";

    /// <summary>The same, as the one share of "sss" that is needed.</summary>
    private const string Shares = "eyJjbGV2aXMiOnsicGluIjoic3NzIiwic3NzIjp7InQiOjEsImp3ZSI6WyJleUpqYkdWMmFYTWlPbnNpY0dsdUlqb2lkR0Z1WnlJc0luUmhibWNpT25zaWRYSnNJam9pYUhSMGNEb3ZMMlYyYVd3dVpYaGhiWEJzWlNKOWZYMC5iLmMuZC5lIl19fX0.b.c.d.e";

    public static TheoryData<string, string> Rows => new()
    {
        { Good, "[]" },
        { Good, "null" },
        { Good, "[null]" },
        { Good, "{}" },
        { "Passphrase", "Magic" },
        { "Passphrase", "KeyFile" },
        { "Passphrase", "Tpm" },
        { "\"memoryKiB\":64,", "" },
        { "\"passes\":4,", "" },
        { "\"lanes\":1,", "" },
        { "\"lanes\":1", "\"lanes\":1,\"extra\":1" },
        { "\"lanes\":1", "\"lanes\":\"1\"" },
        { "\"salt\":\"AAAA", "\"salt\":\"" },
        { "\"nonce\":\"AAAA", "\"nonce\":\"" },
        { "\"tag\":\"AAAA", "\"tag\":\"" },
        { "\"wrappedKey\":\"AAAA", "\"wrappedKey\":\"" },
        { "\"wrappedKey\":\"AAAA", "\"wrappedKey\":\"!!!!" },
        { "2026-01-02", "2026-13-02" },
    };

    public static TheoryData<string, string> Costs => new()
    {
        { "\"memoryKiB\":64", "\"memoryKiB\":-1" },
        { "\"memoryKiB\":64", "\"memoryKiB\":2147483647" },
        { "\"passes\":4", "\"passes\":0" },
        { "\"passes\":4", "\"passes\":2147483647" },
        { "\"lanes\":1", "\"lanes\":0" },
        { "\"lanes\":1", "\"lanes\":1000" },
    };

    [Fact]
    public void The_good_one_is_taken() => Assert.Single(Parse(Good));

    [Theory]
    [MemberData(nameof(Rows))]
    public void A_changed_value_is_refused(string old, string changed) =>
        Assert.Equal(ErrorIds.KeyProtectorInvalid, Assert.Throws<InvalidImageException>(() => Parse(Good.Replace(old, changed, StringComparison.Ordinal))).ErrorId);

    [Theory]
    [MemberData(nameof(Costs))]
    public async Task A_cost_that_nobody_asks_for_is_not_paid(string old, string changed)
    {
        KeyProtector protector = Parse(Good.Replace(old, changed, StringComparison.Ordinal))[0];
        using SecretBuffer passphrase = Sample.Secret("master");

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => PassphraseProtection.OpenAsync(protector, passphrase, Sample.Token));
        Assert.Equal(ErrorIds.KeyProtectorInvalid, fault.ErrorId);
    }

    [Theory]
    [InlineData("not a JWE")]
    [InlineData("a.b.c.d")]
    [InlineData("a.b.c.d.$(reboot)")]
    [InlineData("e30.b.c.d.e")]
    [InlineData(Tang)]
    [InlineData(Shares)]
    public async Task What_no_TPM_has_sealed_never_reaches_clevis(string text)
    {
        KeyProtector protector = Parse(Good)[0] with { Kind = KeyProtectorKind.Tpm, Sealed = text };

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => TpmProtection.OpenAsync(protector, Sample.Token));
        Assert.Equal(ErrorIds.KeyProtectorInvalid, fault.ErrorId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(33)]
    public void A_key_of_another_length_than_protectors_are_made_with_opens_nothing(int length)
    {
        using var key = new SecretBuffer(length);

        var fault = Assert.Throws<WrongKeyException>(() => KeyProtection.Unwrap(Guid.Empty, Parse(Good)[0], key));
        Assert.Equal(ErrorIds.KeyStoreLocked, fault.ErrorId);
    }

    [Fact]
    public void No_more_protectors_are_written_than_are_read()
    {
        KeyProtector[] many = [.. Enumerable.Repeat(Parse(Good)[0], 512)];
        Assert.Equal(512, KeyProtectorList.Parse(KeyProtectorList.ToBytes(many)).Count);

        Assert.Equal(ErrorIds.KeyProtectorInvalid, Assert.Throws<InvalidInputException>(() => KeyProtectorList.ToBytes([.. many, many[0]])).ErrorId);
        KeyProtector[] large = [.. Enumerable.Repeat(many[0] with { Kind = KeyProtectorKind.Tpm, Sealed = new string('a', 2100) }, 500)];
        Assert.Equal(ErrorIds.KeyProtectorInvalid, Assert.Throws<InvalidInputException>(() => KeyProtectorList.ToBytes(large)).ErrorId);
    }

    [Fact]
    public async Task A_protector_that_this_host_does_not_have_leaves_the_store_locked()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has it.");
        KeyProtector protector = Parse(Good)[0] with { Kind = KeyProtectorKind.Dpapi, Sealed = "AAAA" };

        var fault = await Assert.ThrowsAsync<WrongKeyException>(
            () => KeyProtection.OpenAsync(new KeyStoreHead(protector.Id, [protector]), passphrase: null, Sample.Token));
        Assert.Equal((ErrorIds.KeyStoreLocked, ErrorIds.KeyProtectorUnavailable), (fault.ErrorId, (fault.InnerException as VmCryptException)?.ErrorId));
    }

    private static IReadOnlyList<KeyProtector> Parse(string json) => KeyProtectorList.Parse(Encoding.UTF8.GetBytes(json));
}
