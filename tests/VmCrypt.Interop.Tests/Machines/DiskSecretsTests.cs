using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Libvirt;

namespace VmCrypt.Interop.Tests.Machines;

/// <summary>A domain of a real libvirt whose disk gets another passphrase while it runs: it starts again, whenever we stop.</summary>
public sealed class DiskSecretsTests : IAsyncLifetime
{
    private const string Old = "old passphrase";
    private const string New = "new passphrase";

    private readonly Scratch _scratch = new();
    private readonly Libvirtd _libvirt;
    private readonly LibvirtSecrets _secrets = new(Libvirtd.Connection);
    private readonly List<string> _domains = [];
    private readonly Guid _secret = Guid.NewGuid();
    private RunningDisk _disk = null!;

    public DiskSecretsTests(Libvirtd libvirt) => _libvirt = libvirt;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Vm => _domains[0];

    public async ValueTask InitializeAsync()
    {
        _libvirt.Require();
        // libvirt's QEMU is a user of its own.
        Tools.TryRun("chmod", "755", _scratch.Folder);
        _disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, Old);
        Define(_disk.Location.Text);
    }

    public ValueTask DisposeAsync()
    {
        foreach (string domain in _domains)
        {
            Tools.TryRun("virsh", "-q", "-c", Libvirtd.Connection, "destroy", domain);
            Tools.TryRun("virsh", "-q", "-c", Libvirtd.Connection, "undefine", domain);
        }

        Tools.TryRun("virsh", "-q", "-c", Libvirtd.Connection, "secret-undefine", $"{_secret}");
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Stopped_after_any_step_the_secret_opens_the_disk_and_the_same_call_goes_on()
    {
        string current = Old;
        await RegisterAsync(current);
        Start();
        foreach (RunningStep step in (RunningStep[])[RunningStep.Proven, RunningStep.SecretSet, RunningStep.Erased])
        {
            string next = $"passphrase after {step}";
            await Assert.ThrowsAsync<StoppedException>(() => ChangeAsync(current, next, FailingAfter(step, new StoppedException())));
            Assert.True(await OpensAsync(await ValueAsync()), $"{step}");

            await ChangeAsync(current, next);
            Assert.Equal((false, true, next), (await OpensAsync(current), await OpensAsync(next), await ValueAsync()));
            current = next;
        }

        var fault = new DeviceFaultException(ErrorIds.DeviceIO, "made to fail");
        await Assert.ThrowsAsync<DeviceFaultException>(() => ChangeAsync(current, New, FailingAfter(RunningStep.SecretSet, fault)));
        Assert.Equal((true, false, current), (await OpensAsync(current), await OpensAsync(New), await ValueAsync()));
    }

    [Fact]
    public async Task A_secret_that_opens_more_than_the_disk_or_holds_something_else_or_is_to_be_kept_stays_and_one_that_cannot_be_read_follows()
    {
        await RegisterAsync(Old);
        Start();
        Define(_scratch.File("other.raw", new byte[4096]));
        var refusal = await Assert.ThrowsAsync<RefusedException>(() => ChangeAsync(Old, New));
        Assert.Equal((ErrorIds.LibvirtSecretShared, true, false), (refusal.ErrorId, await OpensAsync(Old), await OpensAsync(New)));
        _disk = _disk with { KeepsSecret = true };
        await ChangeAsync(Old, New);
        Assert.Equal(Old, await ValueAsync());

        _libvirt.Virsh("undefine", _domains[1]);
        _disk = _disk with { KeepsSecret = false };
        await ChangeAsync(New, "third");
        Assert.Equal(Old, await ValueAsync());

        _libvirt.Virsh("secret-undefine", $"{_secret}");
        await RegisterAsync("third", isPrivate: true);
        await ChangeAsync("third", "fourth");
        _libvirt.Virsh("destroy", Vm);
        Start();
    }

    private void Define(string path)
    {
        _domains.Add($"vmcrypt-{Guid.NewGuid():N}");
        _libvirt.Virsh("define", _scratch.File("domain.xml", Encoding.UTF8.GetBytes(
            $"""
             <domain type='qemu'>
               <name>{_domains[^1]}</name>
               <memory unit='MiB'>64</memory>
               <os><type arch='x86_64' machine='pc'>hvm</type></os>
               <seclabel type='none'/>
               <devices>
                 <disk type='file'>
                   <driver name='qemu' type='raw'/>
                   <source file='{path}'><encryption format='luks'><secret type='passphrase' uuid='{_secret}'/></encryption></source>
                   <target dev='vda' bus='virtio'/>
                 </disk>
               </devices>
             </domain>
             """)));
    }

    // QEMU opens the disk with its secret before it runs a single instruction, so a paused start proves it.
    private void Start() => _libvirt.Virsh("start", "--paused", Vm);

    private async Task RegisterAsync(string value, bool isPrivate = false)
    {
        using SecretBuffer secret = SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(value));
        var definition = new SecretDefinition(SecretUsage.Volume, _disk.Location.Text, new SecretOptions { Uuid = _secret, IsPrivate = isPrivate });
        await _secrets.RegisterAsync(definition, secret, replace: false, Token);
    }

    private async Task<string> ValueAsync()
    {
        using SecretBuffer? value = await _secrets.ValueAsync(_secret, Token);
        return Encoding.UTF8.GetString(value!.Span);
    }

    private async Task ChangeAsync(string current, string replacement, Action<RunningStep>? after = null)
    {
        await using RunningKeySlots slots = await RunningKeySlots.OfDomainAsync(Libvirtd.Connection, Vm, after ?? (_ => { }), Token);
        using DiskKeys keys = RunningDiskFixture.Keys(current);
        await slots.ChangeAsync(_disk, keys, RunningDiskFixture.NewSlot(replacement), Token);
    }

    private static Action<RunningStep> FailingAfter(RunningStep step, Exception fault) => reached =>
    {
        if (reached == step)
        {
            throw fault;
        }
    };

    private async Task<bool> OpensAsync(string passphrase)
    {
        using DiskKeys keys = RunningDiskFixture.Keys(passphrase);
        return (await KeySlots.TryAsync(_disk.Location, _disk.Options with { ForceShare = true }, keys, Token)).Opens;
    }

    private sealed class StoppedException : Exception;
}
