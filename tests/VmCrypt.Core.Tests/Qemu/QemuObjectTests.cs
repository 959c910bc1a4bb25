using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class QemuObjectTests
{
    [Fact]
    public void Commas_of_a_distinguished_name_are_doubled_in_the_argument_only()
    {
        QemuObject authz = QemuObjects.AuthzSimple("a0", "CN=client,O=Org, Inc,C=DE");

        Assert.Equal("authz-simple,id=a0,identity=CN=client,,O=Org,, Inc,,C=DE", authz.Argument);
        Assert.Equal("""{"qom-type":"authz-simple","id":"a0","identity":"CN=client,O=Org, Inc,C=DE"}""", authz.Json);
    }

    [Fact]
    public void What_is_nested_is_JSON_on_the_command_line_too() => Assert.Equal(
        """{"qom-type":"authz-list","id":"l","policy":"deny","rules":[{"match":"*.example","policy":"allow","format":"glob"}]}""",
        QemuObjects.AuthzList("l", AuthzPolicy.Deny, [new("*.example", AuthzPolicy.Allow, AuthzFormat.Glob)]).Argument);

    [Fact]
    public void The_guest_s_end_of_a_cryptodev_names_it() => Assert.Equal("virtio-crypto-pci,id=vc,cryptodev=c0", QemuObjects.VirtioCrypto("vc", "c0"));

    private static readonly Func<QemuObject>[] s_refused =
    [
        () => QemuObjects.IOThread("0io"),
        () => QemuObjects.IOThread("io,file=/etc/shadow"),
        () => QemuObjects.IOThread("io", pollMaxNs: -1),
        () => QemuObjects.AuthzSimple("a", string.Empty),
        () => QemuObjects.AuthzList("a", AuthzPolicy.Deny, [new(string.Empty, AuthzPolicy.Allow)]),
        () => QemuObjects.AuthzListFile("a", "relative"),
        () => QemuObjects.AuthzPam("a", "../x"),
        () => QemuObjects.TlsX509("t", "relative", TlsEndpoint.Server),
        () => QemuObjects.TlsX509("t", "/pki", TlsEndpoint.Server, passwordId: "a b"),
        () => QemuObjects.TlsPsk("t", "/pki", TlsEndpoint.Server, userName: "u"),
        () => QemuObjects.CryptodevVhostUser("c", "x", 0),
        () => QemuObjects.SevGuest("s", 0, 1),
        () => QemuObjects.SevGuest("s", 47, 0),
        () => QemuObjects.SevGuest("s", 47, 1, dhCertFile: "/a"),
        () => QemuObjects.ThrottleGroup("t"),
        () => QemuObjects.ThrottleGroup("t", bytesPerSecond: 0),
        () => QemuSecrets.FromFile("s", "relative"),
    ];

    [Fact]
    public void Refuses_what_QEMU_refuses() => Assert.All(s_refused, make =>
        Assert.Equal(ErrorIds.QemuOptionInvalid, Assert.Throws<InvalidInputException>(make).ErrorId));

    [Fact]
    public void A_secret_of_no_text_is_written_in_base64()
    {
        using var text = SecretBuffer.CopyOf("a,b"u8);
        using var bytes = SecretBuffer.CopyOf([0, 255]);
        Assert.Equal("secret,id=s,data=a,,b", QemuSecrets.FromData("s", text).Argument);
        Assert.Equal("secret,id=s,format=base64,data=AP8=", QemuSecrets.FromData("s", bytes).Argument);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1000)]
    public void A_wrapped_secret_comes_back(int length)
    {
        using SecretBuffer value = SecretBuffer.Random(length);
        using SecretBuffer master = SecretBuffer.Random(32);
        using SecretBuffer back = QemuSecrets.Unwrap(QemuSecrets.Wrap(value, master), master);
        Assert.Equal(value.Span, back.Span);
    }

    [Fact]
    public void A_wrong_master_and_what_is_no_wrapped_secret_are_told_apart()
    {
        using var master = SecretBuffer.CopyOf(new byte[32]);
        using var other = SecretBuffer.CopyOf([.. Enumerable.Repeat((byte)1, 32)]);
        using var small = SecretBuffer.CopyOf(new byte[31]);
        using var value = SecretBuffer.CopyOf("secret"u8);
        WrappedSecret wrapped = QemuSecrets.Wrap(value, master, new byte[16]);

        Assert.Equal(ErrorIds.WrongMasterSecret, Assert.Throws<WrongKeyException>(() => QemuSecrets.Unwrap(wrapped, other)).ErrorId);
        Assert.Equal(ErrorIds.MasterSecretInvalid, Assert.Throws<InvalidInputException>(() => QemuSecrets.Wrap(value, small)).ErrorId);
        Assert.All(
            (WrappedSecret[])[wrapped with { Data = "%" }, wrapped with { Data = string.Empty }, wrapped with { Data = "AAAA" }, wrapped with { InitialVector = "AAAA" }, wrapped with { InitialVector = "%" }],
            broken => Assert.Equal(ErrorIds.QemuOptionInvalid, Assert.Throws<InvalidInputException>(() => QemuSecrets.Unwrap(broken, master)).ErrorId));
    }

    [Fact]
    public void A_master_secret_is_read_raw_or_in_base64()
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(number => (byte)number)];
        using var raw = SecretBuffer.CopyOf(key);
        using var base64 = SecretBuffer.CopyOf(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(key) + "\n"));
        using var neither = SecretBuffer.CopyOf("no master secret"u8);
        using SecretBuffer one = QemuSecrets.ReadMaster(raw);
        using SecretBuffer two = QemuSecrets.ReadMaster(base64);
        Assert.Equal(key, one.Span);
        Assert.Equal(key, two.Span);
        Assert.Equal(ErrorIds.MasterSecretInvalid, Assert.Throws<InvalidInputException>(() => QemuSecrets.ReadMaster(neither)).ErrorId);
    }

    public static TheoryData<string, ImageDescription, BlockdevOptions, string> Nodes() => new()
    {
        { "raw", Image(ImageFormat.Raw), new(), "driver=raw,node-name=n,file.driver=file,file.filename=/vm/a" },
        { "tuned", Image(ImageFormat.Raw), new() { ReadOnly = true, Cache = BlockdevCache.None, Discard = true }, "driver=raw,node-name=n,read-only=on,discard=unmap,file.driver=file,file.filename=/vm/a,file.read-only=on,file.cache.direct=on,file.cache.no-flush=off,file.discard=unmap" },
        { "in front", Image(ImageFormat.Luks, EncryptionPlacement.Attached), new(), "driver=luks,node-name=n,file.driver=file,file.filename=/vm/a,key-secret=k0" },
        { "inside", Image(ImageFormat.Qcow2, EncryptionPlacement.Inside), new(), "driver=qcow2,node-name=n,file.driver=file,file.filename=/vm/a,encrypt.format=luks,encrypt.key-secret=k0" },
        { "over", Image(ImageFormat.Qcow2, EncryptionPlacement.Over), new(), "driver=luks,node-name=n,file.driver=qcow2,file.file.driver=file,file.file.filename=/vm/a,key-secret=k0" },
        { "under", Image(ImageFormat.Luks, EncryptionPlacement.Attached), new() { PayloadIsQcow2 = true }, "driver=qcow2,node-name=n,file.driver=luks,file.file.driver=file,file.file.filename=/vm/a,file.key-secret=k0" },
        { "detached", Image(ImageFormat.Raw, EncryptionPlacement.Detached), new() { HeaderPath = "/vm/h" }, "driver=luks,node-name=n,file.driver=file,file.filename=/vm/a,key-secret=k0,header.driver=file,header.filename=/vm/h" },
        { "chain", Image(ImageFormat.Qcow2, EncryptionPlacement.Inside) with { Backing = Image(ImageFormat.Raw) with { Path = "/vm/b" } }, new(), "driver=qcow2,node-name=n,file.driver=file,file.filename=/vm/a,encrypt.format=luks,encrypt.key-secret=k0,backing.driver=raw,backing.read-only=on,backing.file.driver=file,backing.file.filename=/vm/b,backing.file.read-only=on" },
        { "NBD", Image(ImageFormat.Raw) with { Path = "nbd://h:1/e" }, new(), "driver=raw,node-name=n,file.driver=nbd,file.server.type=inet,file.server.host=h,file.server.port=1,file.export=e" },
    };

    [Theory]
    [MemberData(nameof(Nodes))]
    public void Makes_the_nodes_of_every_layering(string layering, ImageDescription image, BlockdevOptions options, string argument)
    {
        string made = QemuBlockdev.Of("n", image, options, _ => "k0").Argument;
        Assert.True(made == argument, $"{layering}: {made}");
    }

    [Fact]
    public void Makes_the_nodes_of_an_RBD_image() => Assert.Equal(
        "driver=luks,node-name=n,file.driver=rbd,file.pool=vms,file.image=web,file.user=libvirt,file.conf=/etc/ceph/ceph.conf,key-secret=k0",
        QemuBlockdev.OfRbd("n", "vms", "web", "libvirt", "/etc/ceph/ceph.conf", "k0", new BlockdevOptions()).Argument);

    [Fact]
    public void Refuses_what_QEMU_does_not_open()
    {
        ImageDescription legacy = Image(ImageFormat.Qcow2, EncryptionPlacement.LegacyAes) with { Luks = null };
        ImageDescription two = Image(ImageFormat.Luks, EncryptionPlacement.Attached, LuksVersion.Luks2);
        Assert.Equal(ErrorIds.LegacyEncryptionRefused, Assert.Throws<RefusedException>(() => QemuBlockdev.Of("n", legacy, new(), _ => "k")).ErrorId);
        Assert.Equal(ErrorIds.LibvirtInexpressible, Assert.Throws<UnsupportedFeatureException>(() => QemuBlockdev.Of("n", two, new(), _ => "k")).ErrorId);
    }

    private static ImageDescription Image(ImageFormat format, EncryptionPlacement encryption = EncryptionPlacement.None, LuksVersion version = LuksVersion.Luks1) => new()
    {
        Path = "/vm/a",
        Format = format,
        VirtualSize = 1,
        AllocatedSize = 1,
        Encryption = encryption,
        Luks = encryption == EncryptionPlacement.None ? null : new LuksFacts(version, "u", "aes-xts-plain64", 64, "sha256", 1000, 0, 512, []),
    };
}
