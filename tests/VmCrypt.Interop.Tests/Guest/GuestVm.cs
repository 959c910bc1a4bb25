using System.Diagnostics;

namespace VmCrypt.Interop.Tests.Guest;

/// <summary>What a guest is made of.</summary>
internal sealed record GuestOptions
{
    /// <summary>Shell lines that run as init once the modules are loaded; /proc, /sys and /dev are mounted.</summary>
    public required string Script { get; init; }

    /// <summary>Kernel modules, loaded in order with what they depend on.</summary>
    public IReadOnlyList<string> Modules { get; init; } = [];

    /// <summary>Programs of this machine that the guest needs besides busybox, with their libraries.</summary>
    public IReadOnlyList<string> Programs { get; init; } = [];

    /// <summary>Further files and folders of this machine that the guest has at the same place.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>Further QEMU arguments: devices, objects, sockets.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public int MemoryMiB { get; init; } = 256;

    /// <summary>A word for the kernel's command line, which the script finds in /proc/cmdline.</summary>
    public string Role { get; init; } = "guest";
}

/// <summary>A small Linux guest with a real kernel, up in seconds; its serial console is a file.</summary>
/// <remarks>Runs under TCG: nested KVM comes up on some machines and hangs on others.</remarks>
internal sealed class GuestVm : IDisposable
{
    // TCG, on a machine that may be busy.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    private readonly Process _qemu;
    private readonly string _log;

    private GuestVm(Process qemu, string log)
    {
        _qemu = qemu;
        _log = log;
    }

    /// <summary>What the guest has printed so far.</summary>
    public string Log
    {
        get
        {
            using var reader = new StreamReader(new FileStream(_log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            return reader.ReadToEnd();
        }
    }

    /// <summary>Boots a guest whose files lie in <paramref name="scratch"/>; skips the test where QEMU or a kernel is missing.</summary>
    public static GuestVm Boot(Scratch scratch, GuestOptions options)
    {
        Tools.Require("qemu-system-x86_64");
        string kernel = Kernel();
        string name = $"guest-{Guid.NewGuid():N}";
        string initramfs = scratch[name + ".cpio"];
        string log = scratch[name + ".log"];
        File.WriteAllBytes(initramfs, Initramfs.Build(Path.GetFileName(kernel)["vmlinuz-".Length..], options));
        File.WriteAllText(log, string.Empty);

        // no_timer_check: on a busy machine the guest's clock stands still for so long that its kernel takes it for broken.
        string[] arguments =
        [
            "-accel", "tcg", "-cpu", "max", "-m", options.MemoryMiB.ToString(), "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", $"file:{log}", "-kernel", kernel, "-initrd", initramfs,
            "-append", $"console=ttyS0 quiet panic=-1 no_timer_check role={options.Role}", .. options.Arguments,
        ];
        Process qemu = Process.Start(new ProcessStartInfo("qemu-system-x86_64", arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        return new GuestVm(qemu, log);
    }

    /// <summary>Waits until the console shows <paramref name="marker"/> and returns all of it.</summary>
    public async Task<string> WaitForAsync(string marker)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < s_patience)
        {
            bool ended = _qemu.HasExited;
            string log = Log;
            if (log.Contains(marker, StringComparison.Ordinal))
            {
                return log;
            }

            Assert.False(ended, $"QEMU ended before the guest printed '{marker}'.\n{log}\n{(ended ? _qemu.StandardError.ReadToEnd() : null)}");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.Fail($"The guest did not print '{marker}' within {s_patience}.\n{Log}");
        return string.Empty;
    }

    /// <summary>Waits until the guest has powered itself off.</summary>
    public async Task<string> WaitForExitAsync()
    {
        await _qemu.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(s_patience);
        return Log;
    }

    public void Dispose()
    {
        if (!_qemu.HasExited)
        {
            _qemu.Kill();
            _qemu.WaitForExit();
        }

        _qemu.Dispose();
    }

    private static string Kernel()
    {
        string? kernel = Directory.Exists("/boot")
            ? Directory.EnumerateFiles("/boot", "vmlinuz-*-amd64").Order(StringComparer.Ordinal).LastOrDefault()
            : null;
        Assert.SkipWhen(kernel is null, "no Debian kernel in /boot");
        return kernel!;
    }
}
