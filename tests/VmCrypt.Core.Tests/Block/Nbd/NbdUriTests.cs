using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdUriTests
{
    [Theory]
    [InlineData("nbd://example.com", "example.com:10809", "")]
    [InlineData("nbd://example.com/", "example.com:10809", "")]
    [InlineData("nbd://example.com/disk", "example.com:10809", "disk")]
    [InlineData("nbd://example.com//disk", "example.com:10809", "/disk")]
    [InlineData("nbd://example.com/a/../b", "example.com:10809", "a/../b")]
    [InlineData("nbd://example.com/hello%20world", "example.com:10809", "hello world")]
    [InlineData("nbd://example.com:1234/%C3%A4", "example.com:1234", "ä")]
    [InlineData("NBD://10.0.0.1:1/x", "10.0.0.1:1", "x")]
    [InlineData("nbd://[::1]:5/x", "[::1]:5", "x")]
    [InlineData("nbd+unix:///?socket=/run/s", "/run/s", "")]
    [InlineData("nbd+unix:///disk?socket=/run/s", "/run/s", "disk")]
    [InlineData("nbd+unix://?socket=s", "s", "")]
    [InlineData("nbd+unix:///a%3Fb?socket=/a%20b", "/a b", "a?b")]
    [InlineData("nbd+unix:///?socket=%00/abstract", "@/abstract", "")]
    public void Reads_what_the_specification_shows(string text, string address, string export)
    {
        NbdUri uri = NbdUri.Parse(text);

        Assert.Equal(address, uri.Address.ToString());
        Assert.Equal(export, uri.Export);
        Assert.Equal(uri, NbdUri.Parse(uri.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/a/file")]
    [InlineData("nbd:unix:/run/s")]
    [InlineData("http://example.com/disk")]
    [InlineData("nbd://")]
    [InlineData("nbd:///disk")]
    [InlineData("nbd://example.com:0/disk")]
    [InlineData("nbd://example.com:65536/disk")]
    [InlineData("nbd://example.com:x/disk")]
    [InlineData("nbd://user@example.com/disk")]
    [InlineData("nbd://example.com/disk?socket=/s")]
    [InlineData("nbd://example.com/disk#part")]
    [InlineData("nbd://example.com/%zz")]
    [InlineData("nbd://example.com/a%00b")]
    [InlineData("nbd+unix:///disk")]
    [InlineData("nbd+unix:///disk?socket=")]
    [InlineData("nbd+unix:///disk?socket=/a&socket=/b")]
    [InlineData("nbd+unix:///disk?socket=/a&tls-type=x509")]
    [InlineData("nbd+unix://host/disk?socket=/a")]
    public void Refuses_what_it_would_have_to_guess(string text)
    {
        var error = Assert.Throws<InvalidInputException>(() => NbdUri.Parse(text));
        Assert.Equal(ErrorIds.NbdUriInvalid, error.ErrorId);
    }

    [Theory]
    [InlineData("nbds://example.com/disk", "nbds://example.com:10809/disk")]
    [InlineData("NBDS+UNIX:///disk?socket=/s", "nbds+unix:///disk?socket=/s")]
    [InlineData("nbds://h/?tls-verify-peer=1", "nbds://h:10809/")]
    [InlineData("nbds://h/?tls-verify-peer=0", "nbds://h:10809/?tls-verify-peer=0")]
    [InlineData("nbds://h/d?tls-hostname=other.example&tls-certificates=/etc/pki/my%20disk", "nbds://h:10809/d?tls-certificates=/etc/pki/my%20disk&tls-hostname=other.example")]
    [InlineData("nbds://al%20ice@h/d?tls-psk-file=/k", "nbds://al%20ice@h:10809/d?tls-psk-file=/k")]
    [InlineData("nbds+unix://alice@/d?socket=/s&tls-psk-file=/k", "nbds+unix://alice@/d?socket=/s&tls-psk-file=/k")]
    public void Reads_and_writes_what_TLS_takes(string text, string normal)
    {
        var uri = NbdUri.Parse(text);

        Assert.NotNull(uri.Tls);
        Assert.Equal(normal, uri.ToString());
        Assert.Equal(uri, NbdUri.Parse(normal));
    }

    [Theory]
    [InlineData("nbd://h/d?tls-certificates=/etc/pki")]
    [InlineData("nbd+unix:///d?socket=/s&tls-hostname=h")]
    [InlineData("nbds://h/d?tls-verify-peer=maybe")]
    [InlineData("nbds://h/d?tls-certificates=")]
    [InlineData("nbds://h/d?tls-hostname=a&tls-hostname=b")]
    [InlineData("nbds://h/d?tls-priority=NONE")]
    [InlineData("nbds://h/d?socket=/s")]
    [InlineData("nbdss://h/d")]
    [InlineData("nbd://alice@h/d")]
    [InlineData("nbds://alice@h/d")]
    [InlineData("nbds://@h/d?tls-psk-file=/k")]
    [InlineData("nbds://a@b@h/d?tls-psk-file=/k")]
    [InlineData("nbds://h/d?tls-psk-file=/k&tls-certificates=/c")]
    [InlineData("nbds+unix://alice@h/d?socket=/s&tls-psk-file=/k")]
    public void Refuses_what_TLS_does_not_take(string text)
    {
        var error = Assert.Throws<InvalidInputException>(() => NbdUri.Parse(text));
        Assert.Equal(ErrorIds.NbdUriInvalid, error.ErrorId);
    }
}
