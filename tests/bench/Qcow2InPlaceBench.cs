using VmCrypt.Core.Reencryption;

namespace VmCrypt.Bench;

/// <summary>Conversions of qcow2 images in place, which survive a power cut, against qemu-img's copy to a new image, which does not.</summary>
internal sealed class Qcow2InPlaceBench : IBench, IDisposable
{
    private const long Size = 1L << 30;
    private const string Inside = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10";

    private readonly BenchFolder _memory = new();

    // Beside the sources rather than in /tmp, which may be memory, too.
    private readonly BenchFolder _disk = new(AppContext.BaseDirectory);

    public string Name => "in-place-qcow2";

    public IEnumerable<Figure> Run()
    {
        foreach ((BenchFolder folder, string place) in new[] { (_memory, "in memory"), (_disk, "on disk") })
        {
            Fill(folder);
            yield return Race.Run($"encrypt qcow2 in place, {place}", "MB/s", Size / 1e6, "qemu-img convert",
                () => InPlaceBench.Convert(folder, DiskReencryption.ProtectAsync), () => Convert(folder, encrypted: false, "-o", Inside), goal: 1, () => Copy(folder, "plain"));
            yield return Race.Run($"new key of qcow2 in place, {place}", "MB/s", Size / 1e6, "qemu-img convert",
                () => InPlaceBench.Convert(folder, (options, secret, progress, token) => DiskReencryption.UpdateKeyAsync(options, secret, [secret], progress, token)),
                () => Convert(folder, encrypted: true, "-o", Inside), goal: 1, () => Copy(folder, "luks"));
            yield return Race.Run($"decrypt qcow2 in place, {place}", "MB/s", Size / 1e6, "qemu-img convert",
                () => InPlaceBench.Convert(folder, DiskReencryption.UnprotectAsync), () => Convert(folder, encrypted: true), goal: 1, () => Copy(folder, "luks"));
            folder.Delete("plain", "luks", "disk", "copy");
        }
    }

    public void Dispose()
    {
        _memory.Dispose();
        _disk.Dispose();
    }

    private static void Fill(BenchFolder folder)
    {
        folder.FillAsync("raw", Size).GetAwaiter().GetResult();
        _ = Peer.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder["raw"], folder["plain"]);
        _ = Peer.Run("qemu-img", ["convert", .. folder.Secret, "-f", "raw", "-O", "qcow2", "-o", Inside, folder["raw"], folder["luks"]]);
        folder.Delete("raw");
    }

    private static void Copy(BenchFolder folder, string source)
    {
        folder.Delete("copy");
        InPlaceBench.CopyFile(folder, source);
    }

    // The copy is on the medium, as ours is.
    private static TimeSpan? Convert(BenchFolder folder, bool encrypted, params string[] options) => Peer.Run("qemu-img",
        ["convert", "-t", "writeback", .. folder.Secret, .. options, "-O", "qcow2", "--image-opts",
            $"driver=qcow2,{(encrypted ? "encrypt.key-secret=key," : string.Empty)}file.filename={folder["disk"]}", folder["copy"]])?.Elapsed;
}
