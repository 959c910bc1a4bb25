using System.Text.Json;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class LibvirtMasterKeyTests : IDisposable
{
    private static readonly byte[] s_bytes = [.. Enumerable.Range(1, QemuSecrets.MasterSize).Select(number => (byte)number)];

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task It_is_read_from_where_QEMU_has_it()
    {
        string file = FileIn("domain-7-web", "master-key.aes", s_bytes);
        FileIn("domain-7-left", "master-key.aes", new byte[QemuSecrets.MasterSize]);

        using LibvirtMasterKey? key = await FindAsync(file);

        Assert.Equal(s_bytes, key!.Key.Span.ToArray());
    }

    [Fact]
    public async Task What_is_none_is_not_read()
    {
        Assert.Null(await FindAsync(_scratch["domain-7-web/master-key.aes"]));
        Assert.Null(await FindAsync(FileIn("other", "shadow", s_bytes)));
        Assert.Null(await FindAsync(FileIn("long", "master-key.aes", [.. s_bytes, 0])));
    }

    [Fact]
    public async Task A_QEMU_that_libvirt_has_given_none_refuses_and_any_other_failure_is_said()
    {
        Assert.Null(await FindAsync(new MissingException(ErrorIds.MonitorRefused, "no such object")));
        var lost = await Assert.ThrowsAsync<DeviceFaultException>(() => FindAsync(new DeviceFaultException(ErrorIds.MonitorLost, "gone")));
        Assert.Equal(ErrorIds.MonitorLost, lost.ErrorId);
    }

    private string FileIn(string folder, string name, byte[] content)
    {
        Directory.CreateDirectory(_scratch[folder]);
        return _scratch.File(Path.Combine(folder, name), content);
    }

    private static Task<LibvirtMasterKey?> FindAsync(string answer) => FindAsync(() => JsonSerializer.Serialize(answer));

    private static Task<LibvirtMasterKey?> FindAsync(VmCryptException refusal) => FindAsync(() => throw refusal);

    private static Task<LibvirtMasterKey?> FindAsync(Func<string> answer) => LibvirtMasterKey.FindAsync(
        new ScriptedMonitor((command, arguments) => (command, arguments!["path"]!.GetValue<string>()) is ("qom-get", "/objects/masterKey0") ? answer() : "{}"),
        TestContext.Current.CancellationToken).AsTask();
}
