using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Libvirt;

namespace VmCrypt.Interop.Tests.Machines;

/// <summary>The disk of a real domain is encrypted, stopped after each step, gone on with and taken back; QEMU opens it after each.</summary>
public sealed class VmDiskProtectionTests : IDisposable
{
    private const string Target = "vda";
    private static readonly byte[] s_content = RandomNumberGenerator.GetBytes(3 * 1024 * 1024);

    private readonly Scratch _scratch = new();
    private readonly Libvirtd _libvirt;
    private readonly string _vm = $"vmcrypt-{Guid.NewGuid():N}";
    private readonly string _old;
    private readonly string _copy;
    private readonly SecretBuffer _passphrase = SecretBuffer.CopyOf("protect me"u8);

    public VmDiskProtectionTests(Libvirtd libvirt)
    {
        _libvirt = libvirt;
        // libvirt's QEMU is a user of its own.
        Tools.TryRun("chmod", "755", _scratch.Folder);
        _old = _scratch.File("old.raw", s_content);
        _copy = _scratch["old.luks.qcow2"];
        libvirt.Virsh("define", _scratch.File("domain.xml", Encoding.UTF8.GetBytes(
            $"""
             <domain type='qemu'>
               <name>{_vm}</name>
               <memory unit='MiB'>64</memory>
               <os><type arch='x86_64' machine='pc'>hvm</type></os>
               <seclabel type='none'/>
               <devices>
                 <disk type='file'><driver name='qemu' type='raw' cache='none'/><source file='{_old}'/><target dev='{Target}' bus='virtio'/><serial>S1</serial></disk>
               </devices>
             </domain>
             """)));
    }

    public static TheoryData<string> Steps() => [.. Enum.GetNames<ProtectionStep>()];

    public static TheoryData<string> StepsBack() => [nameof(ProtectionStep.Switched), nameof(ProtectionStep.SecretSet), nameof(ProtectionStep.Copied)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Tools.TryRun("virsh", "-q", "-c", Libvirtd.Connection, "destroy", _vm);
        _libvirt.Virsh("undefine", _vm);
        foreach (LibvirtSecret secret in new LibvirtSecrets(Libvirtd.Connection).ListAsync(default).Result.Where(secret => secret.Name == _copy))
        {
            _libvirt.Virsh("secret-undefine", secret.Uuid.ToString());
        }

        _passphrase.Dispose();
        _scratch.Dispose();
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Stopped_after_a_step_the_VM_starts_and_the_same_call_goes_on(string step)
    {
        await StopAfterAsync(step);
        await RequireStartsAsync();

        ProtectedDisk done = await ProtectOrKeepAsync();

        Assert.Equal(_copy, done.Path);
        DiskDefinition disk = await DiskAsync();
        Assert.Equal(_copy, disk.Image.Source!.ToString());
        Assert.Equal("S1", disk.Serial);
        Assert.Equal(DiskCache.None, disk.Cache);
        await RequireContentAsync();
        Assert.Equal(s_content, File.ReadAllBytes(_old));
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Stopped_after_a_step_it_can_be_taken_back(string step)
    {
        string before = _libvirt.Virsh("dumpxml", "--inactive", _vm);
        await StopAfterAsync(step);

        await Protection().UndoAsync(_vm, Target, force: false, Token);

        await RequireAsBeforeAsync(before);
    }

    [Theory]
    [MemberData(nameof(StepsBack))]
    public async Task Stopped_on_its_way_back_the_VM_starts_and_the_same_call_goes_on(string step)
    {
        string before = _libvirt.Virsh("dumpxml", "--inactive", _vm);
        await ProtectAsync(Protection());
        await Assert.ThrowsAsync<StoppedException>(() => Protection(step).UndoAsync(_vm, Target, force: false, Token));
        await RequireStartsAsync();

        await Protection().UndoAsync(_vm, Target, force: false, Token);

        await RequireAsBeforeAsync(before);
    }

    [Fact]
    public async Task The_VM_cannot_start_from_the_disk_that_is_being_copied()
    {
        (int ExitCode, string Output, string Error) start = default;
        var protection = new VmDiskProtection(Libvirtd.Connection, new ConfigurationFolder(_scratch["config"]))
        {
            After = step => start = step == ProtectionStep.Copied ? Tools.TryRun("virsh", "-c", Libvirtd.Connection, "start", "--paused", _vm) : start,
        };

        await ProtectAsync(protection);

        Assert.NotEqual(0, start.ExitCode);
        Assert.Contains("lock", start.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_VM_has_written_since_is_not_lost_unasked()
    {
        await ProtectAsync(Protection());
        File.SetLastWriteTimeUtc(_copy, DateTime.UtcNow.AddSeconds(1));

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => Protection().UndoAsync(_vm, Target, force: false, Token));
        Assert.Equal(ErrorIds.VmDiskChanged, refusal.ErrorId);
        await Protection().UndoAsync(_vm, Target, force: true, Token);
        await RequireContentAsync();
    }

    [Fact]
    public async Task There_is_no_way_back_to_a_wiped_disk()
    {
        await ProtectAsync(Protection());
        File.Delete(_old);

        var refusal = await Assert.ThrowsAsync<RefusedException>(() => Protection().UndoAsync(_vm, Target, force: true, Token));

        Assert.Equal(ErrorIds.VmDiskChanged, refusal.ErrorId);
        await RequireContentAsync();
    }

    [Fact]
    public async Task A_running_VM_is_refused()
    {
        _libvirt.Virsh("start", "--paused", _vm);
        var refusal = await Assert.ThrowsAsync<RefusedException>(() => ProtectAsync(Protection()));
        Assert.Equal(ErrorIds.VmRunning, refusal.ErrorId);
    }

    [Fact]
    public async Task A_file_that_is_there_is_neither_overwritten_nor_removed()
    {
        File.WriteAllText(_copy, "mine");
        var refusal = await Assert.ThrowsAsync<RefusedException>(() => ProtectAsync(Protection()));
        Assert.Equal(ErrorIds.FileExists, refusal.ErrorId);
        await Assert.ThrowsAsync<MissingException>(() => Protection().UndoAsync(_vm, Target, force: true, Token));
        Assert.Equal("mine", File.ReadAllText(_copy));
    }

    [Fact]
    public async Task Going_on_with_another_passphrase_is_refused_before_libvirt_hears_of_it()
    {
        await StopAfterAsync(nameof(ProtectionStep.Proven));
        using var other = SecretBuffer.CopyOf("another"u8);
        await Assert.ThrowsAsync<WrongKeyException>(() => Protection().ProtectAsync(_vm, Target, Plan, other, progress: null, Token));
        Assert.Empty(await SecretsAsync());
    }

    [Fact]
    public async Task LUKS2_which_no_VM_starts_from_is_refused_before_anything_is_copied()
    {
        ProtectionPlan plan = Plan with { DiskOf = size => new NewDisk { Size = size, Format = ImageFormat.Raw, Encryption = LuksFormatOptions.Default with { Version = LuksVersion.Luks2 } } };
        await Assert.ThrowsAsync<UnsupportedFeatureException>(() => Protection().ProtectAsync(_vm, Target, plan, _passphrase, progress: null, Token));
        Assert.False(File.Exists(_copy));
    }

    private static ProtectionPlan Plan => new()
    {
        DiskOf = size => new NewDisk { Size = size, Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(1000) } },
    };

    private VmDiskProtection Protection(string? stopAfter = null) => new(Libvirtd.Connection, new ConfigurationFolder(_scratch["config"]))
    {
        After = step =>
        {
            if (step.ToString() == stopAfter)
            {
                throw new StoppedException();
            }
        },
    };

    private Task<ProtectedDisk> ProtectAsync(VmDiskProtection protection) => protection.ProtectAsync(_vm, Target, Plan, _passphrase, progress: null, Token);

    private Task StopAfterAsync(string step) => Assert.ThrowsAsync<StoppedException>(() => ProtectAsync(Protection(step)));

    // Where only the record was missing, or nothing, the second call finds an encrypted disk.
    private async Task<ProtectedDisk> ProtectOrKeepAsync()
    {
        try
        {
            return await ProtectAsync(Protection());
        }
        catch (RefusedException refusal) when (refusal.ErrorId == ErrorIds.VmDiskProtected)
        {
            return Assert.Single(await Protection().ListAsync(Token));
        }
    }

    private async Task<DiskDefinition> DiskAsync() => (await new LibvirtVms(Libvirtd.Connection).DomainAsync(_vm, inactive: true, Token)).Disk(Target);

    private async Task<LibvirtSecret[]> SecretsAsync() => [.. (await new LibvirtSecrets(Libvirtd.Connection).ListAsync(Token)).Where(secret => secret.Name == _copy)];

    // QEMU opens the disk with its secret before it runs a single instruction, so a paused start proves it; and the bytes are all there.
    private async Task RequireStartsAsync()
    {
        _libvirt.Virsh("start", "--paused", _vm);
        _libvirt.Virsh("destroy", _vm);
        await RequireContentAsync();
    }

    private async Task RequireContentAsync()
    {
        string path = (await DiskAsync()).Image.Source!.ToString()!;
        using var keys = new DiskKeys(_passphrase.Copy());
        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(path), DiskOpenOptions.Default, Token);
        byte[] content = new byte[s_content.Length];
        await (await disk.UnlockAsync(keys, Token)).ReadAsync(0, content, Token);
        Assert.Equal(s_content, content);
    }

    private async Task RequireAsBeforeAsync(string definition)
    {
        Assert.Equal(definition, _libvirt.Virsh("dumpxml", "--inactive", _vm));
        Assert.Empty(await SecretsAsync());
        Assert.False(File.Exists(_copy));
        Assert.Empty(await Protection().ListAsync(Token));
        await RequireContentAsync();
    }

    private sealed class StoppedException : Exception;
}
