using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Block;
using VmCrypt.Interop.Tests.Kill;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>Conversions on block devices and full file systems, by processes that are killed, and by two at once.</summary>
public sealed class HostReencryptTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int Size = 40 * MiB;

    private readonly Scratch _scratch = new();
    private readonly byte[] _plain = RandomNumberGenerator.GetBytes(Size);
    private readonly string _passphrase;

    public HostReencryptTests() => _passphrase = _scratch.File("passphrase", "correct horse"u8);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_block_device_is_converted_under_a_detached_header_and_opened_by_cryptsetup()
    {
        Tools.Require("cryptsetup");
        using var loop = LoopDevice.Over(_scratch.File("disk.raw", _plain));
        using SecretBuffer secret = LuksDisk.Secret("correct horse");
        ReencryptionOptions options = Options(loop.Path) with { HeaderPath = _scratch["disk.luks"] };

        await DiskReencryption.ProtectAsync(options, secret, null, Token);
        Tools.Run("cryptsetup", "open", "--test-passphrase", "--key-file", _passphrase, "--header", options.HeaderPath, loop.Path);
        await DiskReencryption.UpdateKeyAsync(options, secret, [secret], null, Token);
        await DiskReencryption.UnprotectAsync(options, secret, null, Token);

        byte[] found = await File.ReadAllBytesAsync(loop.Path, Token);
        Assert.Equal(_plain, found);
    }

    [Fact]
    public async Task A_block_device_whose_header_would_lie_in_a_file_is_refused_as_it_is()
    {
        using var loop = LoopDevice.Over(_scratch.File("disk.raw", _plain));
        using SecretBuffer secret = LuksDisk.Secret("correct horse");

        var refusal = await Assert.ThrowsAsync<UnsupportedFeatureException>(
            () => DiskReencryption.ProtectAsync(Options(loop.Path) with { ReduceSize = true }, secret, null, Token));

        Assert.Equal(ErrorIds.InPlaceUnsupported, refusal.ErrorId);
        Assert.Equal(_plain, await File.ReadAllBytesAsync(loop.Path, Token));
    }

    [Fact]
    public async Task A_full_file_system_loses_nothing()
    {
        using var small = Mounted.At(_scratch["small"], "-t", "tmpfs", "-o", "size=64m", "tmpfs");
        string image = Path.Combine(small.Folder, "disk.raw");
        await using (FileStream sparse = File.Create(image))
        {
            sparse.SetLength(2L * Size);
            sparse.Position = Size;
            await sparse.WriteAsync(_plain, Token);
        }

        using SecretBuffer secret = LuksDisk.Secret("correct horse");
        var full = await Assert.ThrowsAsync<DeviceFaultException>(() => DiskReencryption.ProtectAsync(Options(image), secret, null, Token));
        Assert.Equal(ErrorIds.DiskFull, full.ErrorId);
        Tools.Run("mount", "-o", "remount,size=200m", small.Folder);
        await DiskReencryption.ProtectAsync(Options(image), secret, null, Token);
        await DiskReencryption.UnprotectAsync(Options(image), secret, null, Token);

        byte[] found = await File.ReadAllBytesAsync(image, Token);
        Assert.Equal(2 * Size, found.Length);
        Assert.Equal(_plain, found.AsSpan(Size));
    }

    [Theory]
    [InlineData("Luks1")]
    [InlineData("Luks2")]
    public void Who_is_killed_over_and_over_comes_to_the_end(string version)
    {
        string image = _scratch.File("disk.raw", _plain);
        string[] key = ["-Passphrase", $"file:{_passphrase}"];
        string[] protect = ["Protect-Image", image, .. key, "-LuksVersion", version, "-Iterations", "1000", "-Force"];
        string[] update = ["Update-ImageKey", image, .. key, "-Iterations", "1000", "-Force"];
        string[] unprotect = ["Unprotect-Image", image, .. key, "-Force"];
        foreach (string[] command in new[] { protect, update, unprotect })
        {
            foreach (int delay in new[] { 600, 1100 })
            {
                Vmcrypt.Kill(TimeSpan.FromMilliseconds(delay), command);
            }

            (int exitCode, string error) = Vmcrypt.TryRun(command);
            Assert.True(exitCode == 0 || error.Contains(nameof(ErrorIds.AlreadyEncrypted), StringComparison.Ordinal) || error.Contains(nameof(ErrorIds.NotEncrypted), StringComparison.Ordinal), error);
        }

        Assert.Equal(SHA256.HashData(_plain), SHA256.HashData(File.ReadAllBytes(image)));
    }

    [Fact]
    public void A_qcow2_image_survives_kills_and_its_tables_stay_clean()
    {
        Tools.Require("qemu-img");
        string image = _scratch["disk.qcow2"];
        Tools.Run("qemu-img", "convert", "-O", "qcow2", _scratch.File("disk.raw", _plain), image);
        string[] key = ["-Passphrase", $"file:{_passphrase}"];
        foreach (string[] command in new string[][] { ["Protect-Image", image, .. key, "-Iterations", "1000", "-Force"], ["Unprotect-Image", image, .. key, "-Force"] })
        {
            foreach (int delay in new[] { 600, 1100 })
            {
                Vmcrypt.Kill(TimeSpan.FromMilliseconds(delay), command);
            }

            (int exitCode, string error) = Vmcrypt.TryRun(command);
            Assert.True(exitCode == 0 || error.Contains(nameof(ErrorIds.AlreadyEncrypted), StringComparison.Ordinal) || error.Contains(nameof(ErrorIds.NotEncrypted), StringComparison.Ordinal), error);
        }

        Tools.Run("qemu-img", "check", image);
        Assert.Equal(SHA256.HashData(_plain), SHA256.HashData(QemuImg.Read(_scratch, $"driver=qcow2,file.driver=file,file.filename={image}")));
    }

    private ReencryptionOptions Options(string path) => new()
    {
        Location = DiskLocation.Parse(path),
        Encryption = LuksDisk.Quick,
    };
}
