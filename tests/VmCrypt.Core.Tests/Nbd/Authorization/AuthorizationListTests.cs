using System.Text;
using System.Text.Json;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Nbd.Authorization;

public sealed class AuthorizationListTests
{
    [Theory]
    [InlineData("{}", "CN=a", false)]
    [InlineData("""{"policy":"deny"}""", "CN=a", false)]
    [InlineData("""{"policy":"allow"}""", "CN=a", true)]
    [InlineData("""{"policy":"allow","rules":[]}""", "CN=a", true)]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow"}]}""", "CN=a", true)]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow"}]}""", "CN=ab", false)]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow"}]}""", "cn=a", false)]
    [InlineData("""{"rules":[{"match":"CN=*","policy":"allow","format":"exact"}]}""", "CN=a", false)]
    [InlineData("""{"rules":[{"match":"CN=*","policy":"allow","format":"glob"}]}""", "CN=a", true)]
    [InlineData("""{"policy":"allow","rules":[{"match":"CN=a*","policy":"deny","format":"glob"},{"match":"CN=ab","policy":"allow"}]}""", "CN=ab", false)]
    [InlineData("""{"policy":"deny","rules":[{"match":"CN=ab","policy":"allow"},{"match":"CN=a*","policy":"deny","format":"glob"}]}""", "CN=ab", true)]
    [InlineData("""{"policy":"deny","rules":[{"match":"O=Ex\u00e4mple","policy":"allow"}]}""", "O=Exämple", true)]
    public void The_first_rule_that_matches_decides(string json, string identity, bool allowed) =>
        Assert.Equal(allowed, Parse(json).Allows(identity));

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{} {}")]
    [InlineData("""{"policy":"allow",}""")]
    [InlineData("""{"policy":"Allow"}""")]
    [InlineData("""{"policy":1}""")]
    [InlineData("""{"policy":null}""")]
    [InlineData("""{"polizy":"deny"}""")]
    [InlineData("""{"policy":"deny","policy":"allow"}""")]
    [InlineData("""{"rules":{}}""")]
    [InlineData("""{"rules":[{}]}""")]
    [InlineData("""{"rules":["CN=a"]}""")]
    [InlineData("""{"rules":[{"match":"CN=a"}]}""")]
    [InlineData("""{"rules":[{"policy":"allow"}]}""")]
    [InlineData("""{"rules":[{"match":null,"policy":"allow"}]}""")]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow","format":"regex"}]}""")]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow","note":"x"}]}""")]
    [InlineData("""{"rules":[{"match":"CN=a","policy":"allow","format":[[]]}]}""")]
    [InlineData("""{"policy":"allow"} // all""")]
    [InlineData("""{"policy":"\ud800"}""")]
    [InlineData("""{"\ud800":"deny"}""")]
    [InlineData("""{"rules":[{"match":"\udc00","policy":"allow"}]}""")]
    public void What_is_no_list_is_no_list(string json) => Assert.ThrowsAny<JsonException>(() => Parse(json));

    [Theory]
    [InlineData("7b22706f6c696379223a22ff227d")]
    [InlineData("7b22ff223a2264656e79227d")]
    [InlineData("efbbbf7b7d")]
    public void Bytes_that_are_no_text_are_no_list(string hex) =>
        Assert.ThrowsAny<JsonException>(() => AuthorizationList.Parse(Convert.FromHexString(hex)));

    [Fact]
    public void The_rules_of_a_QemuObject_are_such_a_list()
    {
        AuthzRule[] rules = [new("CN=a", AuthzPolicy.Deny), new("CN=*", AuthzPolicy.Allow, AuthzFormat.Glob)];
        using JsonDocument made = JsonDocument.Parse(QemuObjects.AuthzList("a", AuthzPolicy.Deny, rules).Json);
        string json = $$"""{"policy":{{made.RootElement.GetProperty("policy")}},"rules":{{made.RootElement.GetProperty("rules")}}}""".Replace(":deny,", ":\"deny\",", StringComparison.Ordinal);

        AuthorizationList list = Parse(json);

        Assert.False(list.Allows("CN=a"));
        Assert.True(list.Allows("CN=b"));
        Assert.False(list.Allows("O=b"));
    }

    [Theory]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    [InlineData("*", "", true)]
    [InlineData("**", "abc", true)]
    [InlineData("?", "", false)]
    [InlineData("?", "ä", true)]
    [InlineData("?", "\U0001F512", true)]
    [InlineData("a?c", "abc", true)]
    [InlineData("a*c", "ac", true)]
    [InlineData("a*c", "abcbc", true)]
    [InlineData("a*c", "abcb", false)]
    [InlineData("*a*b*c*", "xaxbxcx", true)]
    [InlineData("*a*b*c*", "xaxcxbx", false)]
    [InlineData("a\\*", "a*", false)]
    [InlineData("[ab]", "a", false)]
    [InlineData("CN=web??.example,*", "CN=web01.example,O=x", true)]
    public void Globs_know_star_and_question_mark_only(string pattern, string text, bool matches) =>
        Assert.Equal(matches, Glob.Matches(pattern, text));

    [Fact]
    public void A_pattern_of_stars_does_not_take_for_ever() =>
        Assert.False(Glob.Matches(string.Concat(Enumerable.Repeat("*a", 500)) + "b", new string('a', 5000)));

    private static AuthorizationList Parse(string json) => AuthorizationList.Parse(Encoding.UTF8.GetBytes(json));
}
