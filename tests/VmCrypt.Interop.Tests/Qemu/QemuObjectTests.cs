using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Qemu;

/// <summary>Objects, secrets and block nodes as a real QEMU takes them: on its command line and over QMP.</summary>
public sealed class QemuObjectTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;

    public QemuObjectTests() => _authority = new TestAuthority(_scratch.Folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    private QemuObject[] Objects()
    {
        _scratch.File("keys.psk", "user:00112233445566778899aabbccddeeff"u8);
        return
        [
            QemuObjects.IOThread("io0", 32768, 2, 2, 8),
            QemuObjects.AuthzSimple("simple", "CN=a,O=b, c"),
            QemuObjects.AuthzList("list", AuthzPolicy.Deny, [new("CN=x,O=y", AuthzPolicy.Deny), new("*.example", AuthzPolicy.Allow, AuthzFormat.Glob)]),
            QemuObjects.TlsPsk("psk", _scratch.Folder, TlsEndpoint.Client, "user"),
            QemuObjects.TlsX509("server", _authority.Server(), TlsEndpoint.Server, verifyPeer: true),
            QemuObjects.TlsX509("client", _authority.Client(), TlsEndpoint.Client, priority: "NORMAL"),
            QemuObjects.SevGuest("sev", 47, 1, 5, kernelHashes: true),
            QemuObjects.ThrottleGroup("throttle", 1_000_000, 100),
            QemuSecrets.FromFile("secret", _scratch.File("secret", "value"u8)),
        ];
    }

    [Fact]
    public async Task QEMU_takes_the_objects_over_QMP_and_says_the_same()
    {
        using RunningQemu qemu = Start();
        await using QmpClient monitor = await qemu.ConnectAsync();

        foreach (QemuObject made in Objects())
        {
            await monitor.ExecuteAsync("object-add", made.ToQmp(), Token);
        }

        Assert.Equal("CN=a,O=b, c", await PropertyAsync(monitor, "simple", "identity"));
        Assert.Equal("32768", await PropertyAsync(monitor, "io0", "poll-max-ns"));
    }

    [Fact]
    public async Task QEMU_takes_the_objects_on_its_command_line()
    {
        using RunningQemu qemu = Start([.. Objects().SelectMany(made => new[] { "-object", made.Argument })]);
        await using QmpClient monitor = await qemu.ConnectAsync();

        Assert.Equal("CN=a,O=b, c", await PropertyAsync(monitor, "simple", "identity"));
    }

    /// <summary>Those that Debian's QEMU does not make (built without PAM; a list file under one name that it knows by another) have the properties of its own schema.</summary>
    [Fact]
    public async Task QEMU_s_schema_knows_what_the_objects_say()
    {
        using RunningQemu qemu = Start();
        await using QmpClient monitor = await qemu.ConnectAsync();
        JsonElement schema = await monitor.ExecuteAsync("query-qmp-schema", null, Token);
        var types = schema.EnumerateArray().Where(type => type.GetProperty("meta-type").GetString() != "event").ToDictionary(type => type.GetProperty("name").GetString()!);
        JsonElement objects = types[types["object-add"].GetProperty("arg-type").GetString()!];
        QemuObject[] made = [.. Objects(), QemuObjects.AuthzListFile("file", _scratch["list"], refresh: true), QemuObjects.AuthzPam("pam", "qemu-nbd")];

        foreach (QemuObject one in made.Where(one => one.Type != "secret"))
        {
            JsonElement variant = objects.GetProperty("variants").EnumerateArray().Single(variant => variant.GetProperty("case").GetString() == one.Type);
            string[] known = [.. types[variant.GetProperty("type").GetString()!].GetProperty("members").EnumerateArray().Select(member => member.GetProperty("name").GetString()!)];
            Assert.Empty(one.ToQmp().Select(property => property.Key).Except(["qom-type", "id", .. known]));
        }
    }

    [Fact]
    public async Task QEMU_finds_only_the_missing_chardev_wrong_with_a_cryptodev()
    {
        using RunningQemu qemu = Start();
        await using QmpClient monitor = await qemu.ConnectAsync();
        var refusal = await Assert.ThrowsAsync<MissingException>(() => monitor.ExecuteAsync("object-add", QemuObjects.CryptodevVhostUser("c", "nowhere", 1).ToQmp(), Token));
        Assert.Contains("nowhere", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrapped_secret_is_what_the_manual_s_openssl_recipe_makes()
    {
        Tools.Require("openssl");
        byte[] key = [.. Enumerable.Range(0, 32).Select(number => (byte)(number * 7))];
        byte[] iv = [.. Enumerable.Range(0, 16).Select(number => (byte)(number * 11))];
        using SecretBuffer master = SecretBuffer.CopyOf(key);
        foreach (int length in (int[])[1, 15, 16, 17, 33])
        {
            byte[] value = Encoding.ASCII.GetBytes(new string('s', length));
            using SecretBuffer secret = SecretBuffer.CopyOf(value);
            string recipe = Tools.Run("openssl", "enc", "-aes-256-cbc", "-a", "-A", "-K", Convert.ToHexString(key), "-iv", Convert.ToHexString(iv), "-in", _scratch.File("value", value));
            Assert.Equal(recipe.Trim(), QemuSecrets.Wrap(secret, master, iv).Data);
        }
    }

    public static TheoryData<string> Layerings() => ["in front", "inside", "plain qcow2", "chain"];

    [Theory]
    [MemberData(nameof(Layerings))]
    public async Task QEMU_opens_the_nodes_with_a_wrapped_secret_and_reads_the_disk(string layering)
    {
        using SecretBuffer passphrase = SecretBuffer.CopyOf("open sesame"u8);
        byte[] content = [.. Enumerable.Range(0, 1 << 20).Select(number => (byte)(number * 31))];
        string path = await MakeAsync(layering, content, passphrase);
        ImageDescription image = await ImageInspector.DescribeAsync(DiskLocation.Parse(path), DiskOpenOptions.Default, Token);
        using SecretBuffer master = SecretBuffer.Random(32);
        QemuObject masterObject = QemuSecrets.FromFile("master", _scratch.File("master.b64", Encoding.ASCII.GetBytes(Convert.ToBase64String(master.Span))), base64: true);
        QemuObject secret = QemuSecrets.FromWrapped("disk", QemuSecrets.Wrap(passphrase, master), "master");
        var node = QemuBlockdev.Of("disk0", image, new BlockdevOptions { ReadOnly = true }, _ => "disk");

        string raw = _scratch["read.raw"];
        string options = string.Join(',', node.Argument.Split(',').Where(option => !option.StartsWith("node-name=", StringComparison.Ordinal)));
        Tools.Run("qemu-img", "convert", "--object", masterObject.Argument, "--object", secret.Argument, "--image-opts", options, "-O", "raw", raw);
        Assert.Equal(content, File.ReadAllBytes(raw));

        using RunningQemu qemu = Start();
        await using QmpClient monitor = await qemu.ConnectAsync();
        await monitor.ExecuteAsync("object-add", masterObject.ToQmp(), Token);
        await monitor.ExecuteAsync("object-add", secret.ToQmp(), Token);
        await monitor.ExecuteAsync("blockdev-add", (JsonObject)JsonNode.Parse(node.Json)!, Token);
        JsonElement nodes = await monitor.ExecuteAsync("query-named-block-nodes", null, Token);
        Assert.Contains(nodes.EnumerateArray(), found => found.GetProperty("node-name").GetString() == "disk0" && found.GetProperty("image").GetProperty("virtual-size").GetInt64() == content.Length);
    }

    private async Task<string> MakeAsync(string layering, byte[] content, SecretBuffer passphrase)
    {
        string path = _scratch["disk"];
        string plain = _scratch.File("plain.raw", content);
        if (layering == "plain qcow2")
        {
            Tools.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", plain, path);
            return path;
        }

        bool chain = layering == "chain";
        var plan = new NewDisk
        {
            Size = content.Length,
            Format = layering == "in front" ? ImageFormat.Raw : ImageFormat.Qcow2,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(1000) },
            Qcow2 = chain ? new Core.Images.Qcow2.Qcow2CreateOptions { Size = content.Length, BackingPath = plain, BackingFormat = "raw" } : null,
        };
        var target = new DiskTarget { Location = DiskLocation.Parse(path) };
        if (chain)
        {
            await DiskFile.CreateAsync(target, plan, passphrase, fill: null, Token);
            return path;
        }

        using var none = new DiskKeys();
        await using DiskStack source = await DiskStack.OpenAsync(DiskLocation.Parse(plain), new DiskOpenOptions { Format = ImageFormat.Raw }, Token);
        await ImageConversion.ConvertAsync(await source.UnlockAsync(none, Token), target, plan, passphrase, new CopyOptions(), progress: null, Token);
        return path;
    }

    private RunningQemu Start(params string[] arguments) => RunningQemu.Start(_scratch, arguments);

    private static async Task<string> PropertyAsync(QmpClient monitor, string id, string property) =>
        (await monitor.ExecuteAsync("qom-get", new JsonObject { ["path"] = $"/objects/{id}", ["property"] = property }, Token)).ToString();
}
