using System.Text;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Nbd.Tls;

public sealed class PskFileTests : IDisposable
{
    private const string Key = "00112233445566778899aabbccddeeff";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData($"alice:{Key}\n")]
    [InlineData($"alice:{Key}")]
    [InlineData($"bob:ffffffffffffffffffffffffffffffff\r\n\r\nalice:00112233445566778899AABBCCDDEEFF\r\n")]
    public void Finds_the_key_of_a_user(string text)
    {
        using PskFile file = Load(text);

        Assert.Equal(Convert.FromHexString(Key), file.Find("alice")!.Span.ToArray());
        Assert.Null(file.Find("Alice"));
        Assert.Null(file.Find(string.Empty));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData(Key)]
    [InlineData($":{Key}")]
    [InlineData("alice:")]
    [InlineData("alice:00112233445566778899aabbccddee")]
    [InlineData("alice:00112233445566778899aabbccddeef")]
    [InlineData("alice:00112233445566778899aabbccddeefg")]
    [InlineData($"alice:{Key} ")]
    [InlineData($"alice:{Key}\nalice:{Key}")]
    [InlineData($"alice:{Key}{Key}{Key}{Key}00")]
    public void Refuses_what_is_no_list_of_keys_and_quotes_none(string text)
    {
        var error = Assert.Throws<InvalidInputException>(() => Load(text));

        Assert.Equal(ErrorIds.TlsCredentialsInvalid, error.ErrorId);
        Assert.DoesNotContain("0011", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_file_that_is_missing_or_longer_than_any()
    {
        Assert.Equal(ErrorIds.TlsCredentialsInvalid, Assert.Throws<InvalidInputException>(() => PskFile.Load(_scratch["nothing"])).ErrorId);
        Assert.Equal(ErrorIds.TlsCredentialsInvalid, Assert.Throws<InvalidInputException>(() => Load(new string('\n', (1 << 20) + 1))).ErrorId);
    }

    private PskFile Load(string text) => PskFile.Load(_scratch.File("keys.psk", Encoding.UTF8.GetBytes(text)));
}
