using System.Diagnostics;
using System.Globalization;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Interop.Tests.Block;

/// <summary>A QEMU tool that has an image open until it is disposed; the image's locks as the kernel lists them.</summary>
internal sealed class LockHolder : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;

    private LockHolder(Process process) => _process = process;

    public int ProcessId => _process.Id;

    /// <summary>Starts the tool and waits until it has locked <paramref name="lastByte"/> of the image; QEMU goes from low to high.</summary>
    public static async Task<LockHolder> StartAsync(string image, long lastByte, string tool, params string[] arguments)
    {
        Tools.Require(tool);
        var start = new ProcessStartInfo(tool, arguments) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        var holder = new LockHolder(Process.Start(start)!);
        try
        {
            await UntilAsync(image, bytes => bytes.Contains(lastByte), () => holder._process.HasExited);
            return holder;
        }
        catch
        {
            holder.Dispose();
            throw;
        }
    }

    /// <summary>Waits for locks as the caller expects them, and fails when they do not come.</summary>
    public static async Task UntilAsync(string image, Predicate<SortedSet<long>> expected, Func<bool>? hopeless = null)
    {
        var waited = Stopwatch.StartNew();
        while (!expected(LockedBytes(image)))
        {
            Assert.False(hopeless?.Invoke() == true, $"the tool has ended before it locked {image}");
            Assert.True(waited.Elapsed < s_patience, $"{image} has the locks {string.Join(' ', LockedBytes(image))}");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Every byte of the image that is locked in the way of QEMU, by whomever.</summary>
    public static SortedSet<long> LockedBytes(string image)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "image locks are of Linux");
        string inode = OperatingSystem.IsLinux() ? FileStatus.Of(image)!.Inode.ToString(CultureInfo.InvariantCulture) : string.Empty;
        return [.. File.ReadLines("/proc/locks")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[1] == "OFDLCK" && fields[3] == "READ" && fields[5].EndsWith(':' + inode, StringComparison.Ordinal))
            .SelectMany(fields => Range(long.Parse(fields[6], CultureInfo.InvariantCulture), long.Parse(fields[7], CultureInfo.InvariantCulture)))];
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static IEnumerable<long> Range(long first, long last)
    {
        for (long at = first; at <= last; at++)
        {
            yield return at;
        }
    }
}
