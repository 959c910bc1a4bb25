using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Bench;

/// <summary>Whole disks in memory-backed files: convert, create and unlock, against qemu-img and cryptsetup on the same images.</summary>
internal sealed class DiskBench : IBench, IDisposable
{
    private const long Size = 1L << 30;
    private const long LargeSize = 1L << 40;
    private const long Iterations = 1_000_000;

    private readonly BenchFolder _folder = new();

    public string Name => "disk";

    public IEnumerable<Figure> Run()
    {
        FillAsync().GetAwaiter().GetResult();
        yield return Convert("decrypt raw luks", "raw.luks", _folder.LuksOptions("raw.luks"), goal: 3);
        yield return Convert("decrypt qcow2 with luks", "inside.qcow2", Qcow2Options("inside.qcow2"), goal: 3);
        yield return Encrypt("encrypt to raw luks", ImageFormat.Raw, ["-O", "luks", "-o", "key-secret=key,iter-time=10"], goal: 3);
        yield return Encrypt("encrypt to qcow2 with luks", ImageFormat.Qcow2,
            ["-O", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"], goal: 3);
        yield return Create();
        yield return Unlock();
    }

    public void Dispose() => _folder.Dispose();

    private Figure Convert(string job, string image, string imageOptions, double goal) => RunRace(job, "MB/s", Size / 1e6, "qemu-img convert",
        () => ConvertAsync(image).GetAwaiter().GetResult(),
        () => Qemu("convert", [.. _folder.Secret, "--image-opts", imageOptions, "-O", "raw", _folder["peer.raw"]]), goal);

    private Figure Encrypt(string job, ImageFormat format, string[] peerOptions, double goal) => RunRace(job, "MB/s", Size / 1e6, "qemu-img convert",
        () => EncryptAsync(format, "ours.disk").GetAwaiter().GetResult(),
        () => Qemu("convert", [.. _folder.Secret, "-f", "raw", .. peerOptions, _folder["plain.raw"], _folder["peer.disk"]]), goal);

    private Figure Create() => RunRace("create 1 TiB encrypted qcow2", "per s", 1, "qemu-img create",
        () => MakeAsync("ours.disk", ImageFormat.Qcow2, LargeSize, KdfCost.MinIterations, null).GetAwaiter().GetResult(),
        () => Qemu("create", [.. _folder.Secret, "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10",
            _folder["peer.disk"], LargeSize.ToString()]), goal: 1);

    private Figure Unlock()
    {
        MakeAsync("dear.luks", ImageFormat.Raw, 1 << 20, Iterations, null).GetAwaiter().GetResult();
        return RunRace($"unlock at {Iterations} iterations", "per s", 1, "cryptsetup --test-passphrase",
            () => UnlockAsync("dear.luks").GetAwaiter().GetResult(),
            () => Peer.Run("cryptsetup", "open", "--test-passphrase", "--key-file", _folder["secret"], _folder["dear.luks"])?.Elapsed, goal: 0.95);
    }

    private Figure RunRace(string job, string unit, double amount, string peerName, Action ours, Func<TimeSpan?> peer, double goal) =>
        Race.Run(job, unit, amount, peerName, ours, peer, goal, () => _folder.Delete("ours.raw", "ours.disk", "peer.raw", "peer.disk"));

    private async Task FillAsync()
    {
        await _folder.FillAsync("plain.raw", Size);
        await EncryptAsync(ImageFormat.Raw, "raw.luks");
        await EncryptAsync(ImageFormat.Qcow2, "inside.qcow2");
    }

    private async Task ConvertAsync(string image)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(_folder[image]), DiskOpenOptions.Default, default);
        using DiskKeys keys = new(BenchFolder.Key());
        IBlockDevice plain = await disk.UnlockAsync(keys, default);
        await DiskFile.CreateAsync(
            new DiskTarget { Location = DiskLocation.Parse(_folder["ours.raw"]) }, new NewDisk { Format = ImageFormat.Raw, Size = plain.Length }, null,
            async (target, token) => await CopyAsync(plain, target, token), default);
    }

    private async Task EncryptAsync(ImageFormat format, string name)
    {
        await using FileDevice plain = await FileDevice.OpenAsync(_folder["plain.raw"], LocalDiskOptions.ReadOnly, default);
        await MakeAsync(name, format, Size, KdfCost.MinIterations, async (target, token) => await CopyAsync(plain, target, token));
    }

    private async Task MakeAsync(string name, ImageFormat format, long size, long iterations, Func<BuiltDisk, CancellationToken, ValueTask>? fill)
    {
        using SecretBuffer key = BenchFolder.Key();
        var plan = new NewDisk
        {
            Format = format,
            Size = size,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(iterations) },
        };
        await DiskFile.CreateAsync(new DiskTarget { Location = DiskLocation.Parse(_folder[name]), Replace = true }, plan, key, fill, default);
    }

    private async Task UnlockAsync(string name)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(_folder[name]), DiskOpenOptions.Default, default);
        using DiskKeys keys = new(BenchFolder.Key());
        await disk.UnlockAsync(keys, default);
    }

    private static ValueTask<CopyResult> CopyAsync(IBlockDevice source, BuiltDisk target, CancellationToken token) =>
        DeviceCopy.CopyAsync(source, target.Device, new CopyOptions { TargetReadsAsZeros = target.ReadsAsZeros }, null, token);

    private TimeSpan? Qemu(string command, string[] arguments) => Peer.Run("qemu-img", [command, "-q", .. arguments])?.Elapsed;

    private string Qcow2Options(string name) => $"driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={_folder[name]}";
}
