using VmCrypt.Core.Block;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Block;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>A configuration folder, a wipe service, and file systems on loop devices; all gone afterwards.</summary>
internal sealed class WipeLab : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Stack<IDisposable> _cleanup = new();
    private int _disks;

    public WipeLab()
    {
        Configuration = new ConfigurationFolder(_scratch["config"]);
        Configuration.Create();
        Service = new WipeService(Configuration);
    }

    public Scratch Scratch => _scratch;

    public ConfigurationFolder Configuration { get; }

    public WipeService Service { get; }

    public string this[string name] => _scratch[name];

    public void Dispose()
    {
        while (_cleanup.TryPop(out IDisposable? next))
        {
            next.Dispose();
        }

        _scratch.Dispose();
    }

    /// <summary>A fresh file system of 320 MiB, mounted.</summary>
    public LabDisk MakeFileSystem(string type, params string[] mountArguments)
    {
        Tools.Require("mkfs." + type);
        string image = _scratch[$"disk{_disks++}"];
        using (FileStream file = File.Create(image))
        {
            file.SetLength(320 << 20);
        }

        Tools.Run("mkfs." + type, type == "ext4" ? ["-q", "-b", "4096", image] : ["-q", image]);
        var loop = LoopDevice.Over(image);
        _cleanup.Push(loop);
        var mount = Mounted.At(image + ".mount", [.. mountArguments, loop.Path]);
        _cleanup.Push(mount);
        return new LabDisk(image, loop.Path, mount.Folder);
    }

    public LoopDevice MakeLoop(byte[] content)
    {
        string image = _scratch[$"disk{_disks++}"];
        File.WriteAllBytes(image, content);
        var loop = LoopDevice.Over(image);
        _cleanup.Push(loop);
        return loop;
    }

    public string ImageOf(LoopDevice loop) => Tools.Run("losetup", "--noheadings", "--output", "BACK-FILE", loop.Path).Trim();

    public void OnCleanup(IDisposable thing) => _cleanup.Push(thing);

    public Task<WipeResult> WipeAsync(string path, string standard, Func<WipeRequest, WipeRequest>? change = null, IProgress<JobProgress>? progress = null, CancellationToken? cancel = null)
    {
        var request = new WipeRequest { Path = path, Standard = WipeStandards.BuiltIn[standard] };
        return Service.RunAsync(change?.Invoke(request) ?? request, progress, cancel ?? TestContext.Current.CancellationToken);
    }

    /// <summary>Wipes and stops once so many bytes are done.</summary>
    public async Task<WipeResult> StopAsync(string path, string standard, long after, Func<WipeRequest, WipeRequest>? change = null)
    {
        using var stop = new CancellationTokenSource();
        var watch = new Immediate(progress =>
        {
            if (progress.DoneBytes >= after)
            {
                stop.Cancel();
            }
        });
        return await WipeAsync(path, standard, request => (change?.Invoke(request) ?? request) with { BytesPerSecond = 64 << 20 }, watch, stop.Token);
    }

    public static byte[] Noise(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Writes a file and makes sure that it has reached its disk.</summary>
    public static string WriteThrough(string path, ReadOnlySpan<byte> content)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write);
        file.Write(content);
        file.Flush(flushToDisk: true);
        return path;
    }
}

/// <param name="Image">The file below the loop device: what the disk really holds.</param>
/// <param name="Device">The loop device.</param>
internal sealed record LabDisk(string Image, string Device, string Folder)
{
    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Runs of the file on the disk, in bytes, as the file system's own tool tells them.</summary>
    public IReadOnlyList<(long Offset, long Length)> RunsOf(string path)
    {
        // "   0:        0..    1023:      34816..     35839:   1024:             last,eof"
        return [.. Tools.Run("filefrag", "-v", "-s", path).Split('\n')
            .Select(line => line.Split(':', StringSplitOptions.TrimEntries))
            .Where(fields => fields.Length >= 4 && int.TryParse(fields[0], out _))
            .Select(fields => fields[2].Split("..", StringSplitOptions.TrimEntries))
            .Select(run => (long.Parse(run[0]) * 4096, (long.Parse(run[1]) - long.Parse(run[0]) + 1) * 4096))];
    }

    public byte[] Read(IReadOnlyList<(long Offset, long Length)> runs)
    {
        using FileStream disk = File.OpenRead(Image);
        using var all = new MemoryStream();
        foreach ((long offset, long length) in runs)
        {
            byte[] bytes = new byte[length];
            disk.Seek(offset, SeekOrigin.Begin);
            disk.ReadExactly(bytes);
            all.Write(bytes);
        }

        return all.ToArray();
    }
}
