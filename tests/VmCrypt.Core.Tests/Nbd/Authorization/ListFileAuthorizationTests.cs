using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd.Authorization;

public sealed class ListFileAuthorizationTests : IDisposable
{
    private const string AllowA = """{"rules":[{"match":"CN=a","policy":"allow"}]}""";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_change_counts_from_the_next_question_on()
    {
        Write(AllowA);
        NbdAuthorization authorization = NbdAuthorization.ListFile(_scratch["list"]);
        int first = authorization.Version;
        Assert.True(authorization.Allows("CN=a", out _));

        // Of the same length, at the same second.
        Write(AllowA.Replace("CN=a", "CN=b", StringComparison.Ordinal));

        Assert.False(authorization.Allows("CN=a", out _));
        Assert.True(authorization.Allows("CN=b", out _));
        Assert.NotEqual(first, authorization.Version);
    }

    [Theory]
    [InlineData("")]
    [InlineData("""{"policy":"allow" """)]
    [InlineData("""{"policy":"allow","extra":1}""")]
    [InlineData(null)]
    public void A_file_that_becomes_invalid_allows_nobody_until_it_is_valid_again(string? content)
    {
        Write("""{"policy":"allow"}""");
        NbdAuthorization authorization = NbdAuthorization.ListFile(_scratch["list"]);
        int first = authorization.Version;
        if (content is null)
        {
            File.Delete(_scratch["list"]);
        }
        else
        {
            Write(content);
        }

        Assert.False(authorization.Allows("CN=a", out string why));
        Assert.Contains(_scratch["list"], why, StringComparison.Ordinal);
        int second = authorization.Version;
        Assert.NotEqual(first, second);
        Assert.Equal(second, authorization.Version);

        Write(AllowA);
        Assert.True(authorization.Allows("CN=a", out why));
        Assert.Empty(why);
        Assert.NotEqual(second, authorization.Version);
    }

    [Fact]
    public void A_file_that_is_invalid_at_first_is_refused_at_once()
    {
        Write("""{"policy":"perhaps"}""");
        Assert.Equal(ErrorIds.AuthorizationListInvalid, Assert.Throws<InvalidInputException>(() => NbdAuthorization.ListFile(_scratch["list"])).ErrorId);
        Assert.Equal(ErrorIds.AuthorizationListInvalid, Assert.Throws<InvalidInputException>(() => NbdAuthorization.ListFile(_scratch["missing"])).ErrorId);
        File.WriteAllText(_scratch["long"], """{"policy":"allow"}""" + new string(' ', 1 << 20));
        Assert.Equal(ErrorIds.AuthorizationListInvalid, Assert.Throws<InvalidInputException>(() => NbdAuthorization.ListFile(_scratch["long"])).ErrorId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../shadow")]
    [InlineData("..")]
    [InlineData("a/b")]
    public void A_PAM_service_is_no_path(string name) =>
        Assert.Equal(ErrorIds.InvalidParameter, Assert.Throws<InvalidInputException>(() => NbdAuthorization.Pam(name)).ErrorId);

    private void Write(string text) => File.WriteAllText(_scratch["list"], text);
}
