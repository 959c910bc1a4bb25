using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmCrypt.Core.Block.Nbd.Tls;

namespace VmCrypt.Core.Tests.Block.Nbd.Tls;

/// <summary>Subjects as GnuTLS writes them; the same rows are shown to a real qemu-nbd in the interop tests.</summary>
public sealed class DistinguishedNameTests
{
    [Theory]
    [InlineData("2.5.4.6", UniversalTagNumber.PrintableString, "GB", "C=GB")]
    [InlineData("2.5.4.6", UniversalTagNumber.UTF8String, "GB", "C=#0c024742")]
    [InlineData("0.9.2342.19200300.100.1.25", UniversalTagNumber.IA5String, "org", "DC=org")]
    [InlineData("0.9.2342.19200300.100.1.25", UniversalTagNumber.PrintableString, "org", "DC=#13036f7267")]
    [InlineData("2.5.4.3", UniversalTagNumber.UTF8String, "web01", "CN=web01")]
    [InlineData("2.5.4.3", UniversalTagNumber.BMPString, "wäb", "CN=wäb")]
    [InlineData("2.5.4.3", UniversalTagNumber.TeletexString, "web", "CN=web")]
    [InlineData("2.5.4.3", UniversalTagNumber.TeletexString, "wäb", "CN=\\#77c3a462")]
    [InlineData("2.5.4.3", UniversalTagNumber.IA5String, "web", "CN=#1603776562")]
    [InlineData("2.5.4.3", UniversalTagNumber.UTF8String, "a,b+c\"d\\e<f>g;h=i", "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i")]
    [InlineData("2.5.4.3", UniversalTagNumber.UTF8String, "#first", "CN=\\#first")]
    [InlineData("2.5.4.3", UniversalTagNumber.UTF8String, "not#first", "CN=not#first")]
    [InlineData("2.5.4.3", UniversalTagNumber.UTF8String, " both ", "CN=\\ both\\ ")]
    [InlineData("0.9.2342.19200300.100.1.1", UniversalTagNumber.UTF8String, "alice", "UID=alice")]
    [InlineData("1.2.3.4.5", UniversalTagNumber.UTF8String, "x", "1.2.3.4.5=#0c0178")]
    public void Values_are_named_and_escaped(string id, UniversalTagNumber kind, string value, string expected)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSetOf())
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(id);
            writer.WriteCharacterString(kind, value);
        }

        Assert.Equal(expected, DistinguishedName.ToText(new X500DistinguishedName(writer.Encode())));
    }

    [Fact]
    public void The_order_is_that_of_the_certificate()
    {
        Assert.Equal("C=GB,O=Example,CN=web01", DistinguishedName.ToText(Encoded("310b3009060355040613024742", "3110300e060355040a0c074578616d706c65", "310e300c06035504030c057765623031")));
    }

    [Fact]
    public void Parts_of_one_name_stand_together()
    {
        Assert.Equal("CN=a+OU=b,C=GB", DistinguishedName.ToText(Encoded("3114300806035504030c01613008060355040b0c0162", "310b3009060355040613024742")));
    }

    [Fact]
    public void A_NUL_is_refused_because_it_could_pass_for_the_end()
    {
        Assert.Throws<CryptographicException>(() => DistinguishedName.ToText(Encoded("3113301106035504030c0a776562002e6576696c2e")));
    }

    private static X500DistinguishedName Encoded(params string[] names)
    {
        byte[] content = [.. names.SelectMany(Convert.FromHexString)];
        return new X500DistinguishedName([0x30, (byte)content.Length, .. content]);
    }
}
