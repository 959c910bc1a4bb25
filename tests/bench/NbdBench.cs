using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Images;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Stack;

namespace VmCrypt.Bench;

/// <summary>Our server against qemu-nbd, with the same clients on twins of one disk: raw and LUKS.</summary>
internal sealed class NbdBench : IBench, IDisposable
{
    private const long Size = 512L << 20;
    private const int SmallRequests = 50_000;
    private const int SmallSize = 4096;

    private readonly BenchFolder _folder = new();

    public string Name => "nbd";

    public IEnumerable<Figure> Run()
    {
        PrepareAsync().GetAwaiter().GetResult();
        foreach (Figure figure in Disk(ImageFormat.Raw, $"driver=raw,file.driver=file,file.filename={_folder["peer.raw"]}", sequentialGoal: 1, randomGoal: 1))
        {
            yield return figure;
        }

        foreach (Figure figure in Disk(ImageFormat.Luks, _folder.LuksOptions("peer.luks"), sequentialGoal: 2, randomGoal: 1.2))
        {
            yield return figure;
        }
    }

    public void Dispose() => _folder.Dispose();

    private IEnumerable<Figure> Disk(ImageFormat format, string peerOptions, double sequentialGoal, double randomGoal)
    {
        string name = format.ToString().ToLowerInvariant();
        using QemuNbd? peer = QemuNbd.Start(_folder["peer.socket"], [.. _folder.Secret, "--image-opts", peerOptions]);
        DiskStack disk = DiskStack.OpenAsync(
            DiskLocation.Parse(_folder[$"ours.{name}"]), new DiskOpenOptions { Writable = true, Format = format }, default).AsTask().GetAwaiter().GetResult();
        NbdServer server = ServeAsync(disk).GetAwaiter().GetResult();
        string ours = server.Uri.ToString();
        string? theirs = peer?.Uri;
        string source = _folder["plain.raw"];
        try
        {
            yield return Copy($"nbd {name} read, 4 connections", sequentialGoal, ours, theirs, uri => ["nbdcopy", uri, "null:"]);
            yield return Copy($"nbd {name} write, 4 connections", sequentialGoal, ours, theirs, uri => ["nbdcopy", source, uri]);
            yield return Copy($"nbd {name} read, 1 connection", sequentialGoal, ours, theirs, uri => ["nbdcopy", "--connections=1", uri, "null:"]);
            yield return Copy($"nbd {name} write, 1 connection", sequentialGoal, ours, theirs, uri => ["nbdcopy", "--connections=1", source, uri]);
            yield return Small($"nbd {name} random read 4 KiB, depth 16", 16, randomGoal, ours, theirs);
            yield return Small($"nbd {name} random write 4 KiB, depth 16", 16, randomGoal, ours, theirs, "-w");
            yield return Small($"nbd {name} random read 4 KiB, depth 1", 1, randomGoal, ours, theirs);
        }
        finally
        {
            server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            disk.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static Figure Copy(string job, double goal, string ours, string? theirs, Func<string, string[]> command) =>
        Against(job, "MB/s", Size / 1e6, goal, ours, theirs, command);

    // A step that is no power of two walks all over the disk before it comes back.
    private static Figure Small(string job, int depth, double goal, string ours, string? theirs, params string[] options) =>
        Against(job, "kIOPS", SmallRequests / 1e3, goal, ours, theirs, uri =>
            ["qemu-img", "bench", .. options, "-f", "raw", "-c", $"{SmallRequests}", "-d", $"{depth}", "-s", $"{SmallSize}", "-S", $"{SmallSize * 641}", uri]);

    private static Figure Against(
        string job, string unit, double amount, double goal, string ours, string? theirs, Func<string, string[]> command)
    {
        string[] mine = command(ours);
        return Race.Run(job, unit, amount, $"qemu-nbd, {mine[0]}",
            () => _ = Peer.Run(mine[0], mine[1..]) ?? throw new InvalidOperationException($"{string.Join(' ', mine)} failed."),
            () => theirs is null ? null : Peer.Run(mine[0], command(theirs)[1..])?.Elapsed, goal);
    }

    private async Task PrepareAsync()
    {
        await _folder.FillAsync("plain.raw", Size);
        foreach (string side in new[] { "ours", "peer" })
        {
            File.Copy(_folder["plain.raw"], _folder[$"{side}.raw"]);
            using var key = BenchFolder.Key();
            var plan = new NewDisk
            {
                Format = ImageFormat.Raw,
                Size = Size,
                Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) },
                Preallocation = Preallocation.Full,
            };
            await DiskFile.CreateAsync(new DiskTarget { Location = DiskLocation.Parse(_folder[$"{side}.luks"]) }, plan, key, null, default);
        }
    }

    private async Task<NbdServer> ServeAsync(DiskStack disk)
    {
        using DiskKeys keys = new(BenchFolder.Key());
        IBlockDevice plain = await disk.UnlockAsync(keys, default);
        var options = new NbdServerOptions { Listen = [new NbdAddress.Unix(_folder["ours.socket"])] };
        return await NbdServer.StartAsync(options, [new NbdExport(string.Empty, plain)], default);
    }
}
