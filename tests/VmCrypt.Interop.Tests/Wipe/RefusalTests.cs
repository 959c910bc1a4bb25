using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe.Targets;
using VmCrypt.Interop.Tests.Block;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>What must not be wiped, is not, and each for its own reason.</summary>
public sealed class RefusalTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task A_symbolic_link_unless_links_are_allowed()
    {
        string path = Image("a.img");
        File.CreateSymbolicLink(_lab["link"], path);

        await RefusedAsync(ErrorIds.WipeTargetIsLink, _lab["link"], path);
        await WipedAsync(_lab["link"], path);
    }

    [Fact]
    public async Task A_file_with_other_names_unless_links_are_allowed()
    {
        string path = Image("a.img");
        Tools.Run("ln", path, _lab["b.img"]);

        await RefusedAsync(ErrorIds.WipeTargetHasLinks, path, path);
        await WipedAsync(path, _lab["b.img"]);
    }

    [Fact]
    public async Task A_file_behind_a_loop_device()
    {
        string path = Image("a.img");
        using (LoopDevice.Over(path))
        {
            await RefusedAsync(ErrorIds.WipeTargetHeld, path, path);
        }

        await WipedAsync(path, path);
    }

    [Fact]
    public async Task An_immutable_file()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string path = WipeLab.WriteThrough(disk["a.img"], WipeLab.Noise(MiB));
        Tools.Run("chattr", "+i", path);
        await RefusedAsync(ErrorIds.WipeTargetImmutable, path, path);
        Tools.Run("chattr", "-i", path);
    }

    [Fact]
    public async Task A_swap_file_and_a_swap_disk()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        string file = WipeLab.WriteThrough(disk["swap"], new byte[4 * MiB]);
        string device = _lab.MakeLoop(new byte[4 * MiB]).Path;
        foreach (string area in new[] { file, device })
        {
            Tools.Run("mkswap", area);
            (int exitCode, _, string error) = Tools.TryRun("swapon", area);
            Assert.SkipWhen(exitCode != 0, $"swap cannot be turned on here: {error.Trim()}");
            try
            {
                await RefusedAsync(ErrorIds.WipeTargetIsSwap, area, area);
            }
            finally
            {
                Tools.Run("swapoff", area);
            }
        }
    }

    [Fact]
    public async Task A_mounted_disk()
    {
        LabDisk disk = _lab.MakeFileSystem("ext4");
        await RefusedAsync(ErrorIds.WipeTargetMounted, disk.Device, disk.Image);
    }

    [Fact]
    public async Task The_disk_that_the_host_runs_from()
    {
        string source = Tools.Run("findmnt", "--noheadings", "--output", "SOURCE", "/").Trim();
        Assert.SkipUnless(source.StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(source), $"the root file system lies on {source}");

        // Only planned, never run: a test must not be what wipes the machine when it fails.
        var error = await Assert.ThrowsAsync<RefusedException>(() => _lab.Service.PlanAsync(
            new WipeRequest { Path = source, Standard = WipeStandards.BuiltIn["Zero"] }, TestContext.Current.CancellationToken));

        Assert.Equal(ErrorIds.WipeTargetIsSystemDisk, error.ErrorId);
    }

    [Fact]
    public async Task An_image_that_a_VM_has_open()
    {
        string path = Image("vm.img");
        using (await LockHolder.StartAsync(path, 203, "qemu-nbd", "--format", "raw", "--socket", _lab["nbd"], "--persistent", path))
        {
            await RefusedAsync(ErrorIds.ImageInUse, path, path);
        }

        await WipedAsync(path, path);
    }

    [Fact]
    public async Task An_image_that_others_are_built_on_unless_forced()
    {
        string path = _lab["base.qcow2"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", path, "16M");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", _lab["child.qcow2"]);
        string data = _lab["disk.raw"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", $"data_file={data},data_file_raw=on", _lab["meta.qcow2"], "16M");

        await RefusedAsync(ErrorIds.WipeTargetIsBacking, path, path);
        await RefusedAsync(ErrorIds.WipeTargetIsBacking, data, data);
        await WipedAsync(_lab["child.qcow2"], _lab["child.qcow2"]);
        // Nobody needs it any more; the folder is not read again for that.
        await WipedAsync(path, path);
        Assert.NotEqual(WipeStatus.Failed, (await _lab.WipeAsync(data, "Zero", request => request with { Force = true })).Status);
    }

    [Fact]
    public async Task What_the_policy_forbids()
    {
        string path = Image("db.img");
        var policies = new WipePolicies(_lab.Configuration);
        await policies.SetAsync(new WipePolicy { Vm = "db", DeepErase = false, Erase = true, Disks = [_lab["db*"]] }, TestContext.Current.CancellationToken);

        await RefusedAsync(ErrorIds.WipeNotAllowed, path, path);
        WipeResult deleted = await _lab.WipeAsync(path, "Zero", request => request with { After = AfterWipe.Delete });

        Assert.Equal(WipeStatus.DeletedOnly, deleted.Status);
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData("link")]
    [InlineData("hard link")]
    [InlineData("folder")]
    public async Task What_the_policy_forbids_under_another_name(string how)
    {
        Directory.CreateDirectory(_lab["vms"]);
        string path = WipeLab.WriteThrough(Path.Combine(_lab["vms"], "db.img"), WipeLab.Noise(MiB));
        await new WipePolicies(_lab.Configuration).SetAsync(
            new WipePolicy { Vm = "db", DeepErase = false, Erase = false, Disks = [Path.Combine(_lab["vms"], "d*")] }, TestContext.Current.CancellationToken);
        string name = _lab["name"];
        Tools.Run("ln", how == "hard link" ? [path, name] : ["-s", how == "link" ? path : _lab["vms"], name]);

        var error = await Assert.ThrowsAsync<RefusedException>(() => _lab.WipeAsync(
            how == "folder" ? Path.Combine(name, "db.img") : name, "Zero", request => request with { AllowLinks = true }));

        Assert.Equal(ErrorIds.WipeNotAllowed, error.ErrorId);
        Assert.Equal(WipeLab.Noise(MiB), File.ReadAllBytes(path));
    }

    [Fact]
    public async Task A_policy_that_somebody_else_could_have_written()
    {
        string path = Image("a.img");
        await new WipePolicies(_lab.Configuration).SetAsync(new WipePolicy { Vm = "*", DeepErase = true, Erase = true }, TestContext.Current.CancellationToken);
        Tools.Run("chown", "65534", _lab.Configuration[WipePolicies.FileName]);

        await RefusedAsync(ErrorIds.ConfigurationUnsafe, path, path);
    }

    // What whoever may write to the folder could do between the check of the name and the opening of the file.
    [Theory]
    [InlineData("link")]
    [InlineData("hard link")]
    [InlineData("replaced")]
    public void A_name_that_came_to_lead_elsewhere_while_it_was_opened(string how)
    {
        string victim = Image("victim.img");
        string path = Image("a.img");
        FileStatus seen = FileStatus.Of(path)!;
        File.Delete(path);
        Tools.Run("ln", how == "link" ? ["-s", victim, path] : [victim, path]);
        if (how == "replaced")
        {
            File.Delete(victim);
        }

        var error = Assert.Throws<RefusedException>(() => TargetGuard.CheckOpened(path, FileStatus.Of(path)!, how == "replaced" ? seen : null, allowLinks: false));

        Assert.Equal(ErrorIds.WipeTargetReplaced, error.ErrorId);
    }

    [Fact]
    public async Task Folders_character_devices_and_nothing_at_all()
    {
        await ThrowsAsync(ErrorIds.NotADisk, _lab.Configuration.Path);
        await ThrowsAsync(ErrorIds.NotADisk, "/dev/null");
        await ThrowsAsync(ErrorIds.FileNotFound, _lab["nothing"]);
    }

    [Fact]
    public async Task Each_refusal_is_in_the_audit_log()
    {
        File.CreateSymbolicLink(_lab["link"], Image("a.img"));
        await ThrowsAsync(ErrorIds.WipeTargetIsLink, _lab["link"]);

        string last = File.ReadLines(_lab.Configuration["audit.log"]).Last();
        Assert.Contains("\"action\":\"Wipe.Refuse\"", last, StringComparison.Ordinal);
        Assert.Contains(ErrorIds.WipeTargetIsLink, last, StringComparison.Ordinal);
    }

    private string Image(string name) => WipeLab.WriteThrough(_lab[name], WipeLab.Noise(MiB));

    private async Task RefusedAsync(string errorId, string path, string bytes)
    {
        byte[] before = File.ReadAllBytes(bytes);
        await ThrowsAsync(errorId, path);
        Assert.True(before.AsSpan().SequenceEqual(File.ReadAllBytes(bytes)), "something was written in spite of the refusal");
    }

    private async Task ThrowsAsync(string errorId, string path)
    {
        VmCryptException error = await Assert.ThrowsAnyAsync<VmCryptException>(() => _lab.WipeAsync(path, "Zero"));
        Assert.Equal(errorId, error.ErrorId);
    }

    private async Task WipedAsync(string path, string bytes)
    {
        WipeResult result = await _lab.WipeAsync(path, "Zero", request => request with { AllowLinks = true });
        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.All(File.ReadAllBytes(bytes), value => Assert.Equal(0, value));
    }
}
