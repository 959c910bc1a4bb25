using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Files that belong to an image, and what of the image itself is not in its bytes.</summary>
public sealed class CompanionTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task What_belongs_to_an_image_goes_along_on_request_and_is_named_otherwise()
    {
        string image = _lab["volume"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["template"], "16M");
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 1M", _lab["template"]);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", image);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", _lab["other"]);
        File.WriteAllText(image + ".meta", "DOMAIN=1\n");
        File.WriteAllText(image + ".lease", "lease");
        var request = new WipeRequest { Path = image, Standard = WipeStandards.BuiltIn["Zero"] };

        Assert.Equal([image], (await WipeService.ExpandAsync(request, Token)).Select(one => one.Path));
        Assert.Equal(
            [image, image + ".meta", image + ".lease"],
            (await WipeService.ExpandAsync(request with { Include = WipeInclude.Neighbours }, Token)).Select(one => one.Path));
        IReadOnlyList<WipeRequest> all = await WipeService.ExpandAsync(request with { Include = WipeInclude.All }, Token);
        Assert.Equal([image, _lab["template"], image + ".meta", image + ".lease"], all.Select(one => one.Path));

        // The template has another dependant: it is not wiped with this one.
        WipeResult alone = await _lab.Service.RunAsync(all[0], null, Token);
        var error = await Assert.ThrowsAsync<RefusedException>(() => _lab.Service.RunAsync(all[1], null, Token));
        File.Delete(_lab["other"]);
        WipeResult template = await _lab.Service.RunAsync(all[1], null, Token);

        Assert.Equal(ErrorIds.WipeTargetIsBacking, error.ErrorId);
        Assert.DoesNotContain(FindingKind.NotIncluded, alone.Findings.Select(finding => finding.Kind));
        Assert.Equal((WipeStatus.Erased, WipeStatus.Erased), (alone.Status, template.Status));
    }

    [Fact]
    public async Task What_is_left_out_is_named()
    {
        string image = _lab["volume"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["template"], "16M");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", image);

        WipeResult result = await _lab.WipeAsync(image, "Zero");

        WipeFinding note = Assert.Single(result.Findings, finding => finding.Kind == FindingKind.NotIncluded);
        Assert.Contains(_lab["template"], note.Text, StringComparison.Ordinal);
        Assert.Equal(WipeStatus.Erased, result.Status);
    }

    [Fact]
    public async Task An_image_cannot_have_files_elsewhere_wiped()
    {
        string victim = WipeLab.WriteThrough(_lab["victim.raw"], WipeLab.Noise(MiB));
        Directory.CreateDirectory(_lab["evil"]);
        string image = Path.Combine(_lab["evil"], "image.qcow2");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", victim, "-F", "raw", image);

        IReadOnlyList<WipeRequest> all = await WipeService.ExpandAsync(
            new WipeRequest { Path = image, Standard = WipeStandards.BuiltIn["Zero"], Include = WipeInclude.All }, Token);

        Assert.Equal([image], all.Select(one => one.Path));
    }

    [Fact]
    public async Task What_an_image_is_built_on_stays_where_the_image_itself_may_not_be_wiped()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", _lab["template"], "16M");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "template", "-F", "qcow2", _lab["db.img"]);
        byte[] before = File.ReadAllBytes(_lab["template"]);
        await new WipePolicies(_lab.Configuration).SetAsync(new WipePolicy { Vm = "db", DeepErase = false, Erase = false, Disks = [_lab["db*"]] }, Token);

        foreach (string limit in new[] { "1", "4" })
        {
            (int exitCode, string error) = Run("Invoke-SecureWipe", _lab["db.img"], "-Include", "All", "-ThrottleLimit", limit, "-Confirm:$false");
            Assert.Equal(2, exitCode);
            Assert.Contains(ErrorIds.WipeNotAllowed, error, StringComparison.Ordinal);
            Assert.Equal(before, File.ReadAllBytes(_lab["template"]));
        }
    }

    [Fact]
    public async Task The_file_of_a_detached_header_goes_along_on_request()
    {
        string path = WipeLab.WriteThrough(_lab["data.img"], WipeLab.Noise(8 * MiB));
        File.WriteAllText(_lab["key"], "secret");
        Tools.Run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", _lab["key"], "--header", _lab["header"], path);
        var request = new WipeRequest { Path = path, Standard = WipeStandards.BuiltIn["Zero"], HeaderPath = _lab["header"] };

        IReadOnlyList<WipeRequest> all = await WipeService.ExpandAsync(request with { Include = WipeInclude.Header }, Token);
        WipeResult alone = await _lab.Service.RunAsync(request, null, Token);
        WipeResult header = await _lab.Service.RunAsync(all[1], null, Token);

        Assert.Contains(_lab["header"], Assert.Single(alone.Findings, finding => finding.Kind == FindingKind.NotIncluded).Text, StringComparison.Ordinal);
        Assert.Equal([path, _lab["header"]], all.Select(one => one.Path));
        Assert.Equal(WipeStatus.Erased, header.Status);
        Assert.DoesNotContain(File.ReadAllBytes(_lab["header"]), value => value != 0);
    }

    [Fact]
    public async Task Snapshots_within_are_told_of()
    {
        string path = _lab["vm.qcow2"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", path, "16M");
        Tools.Run("qemu-img", "snapshot", "-c", "one", path);
        Tools.Run("qemu-img", "snapshot", "-c", "two", path);

        WipeResult result = await _lab.WipeAsync(path, "Zero");

        Assert.StartsWith("Internal snapshots of the image: 2.", Assert.Single(result.Findings, finding => finding.Kind == FindingKind.Snapshots).Text, StringComparison.Ordinal);
    }

    private (int ExitCode, string Error) Run(params string[] arguments)
    {
        using var process = Vmcrypt.Start(new Dictionary<string, string> { ["VMCRYPT_CONFIG"] = _lab.Configuration.Path }, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error + output.Result);
    }
}
