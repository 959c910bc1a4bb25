using System.Diagnostics;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Bench;

/// <summary>qemu-nbd on a Unix socket until it is disposed.</summary>
internal sealed class QemuNbd : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;

    private QemuNbd(Process process, string socket)
    {
        _process = process;
        Uri = new NbdUri(new NbdAddress.Unix(socket)).ToString();
    }

    public string Uri { get; }

    /// <summary>Null where it is not installed.</summary>
    public static QemuNbd? Start(string socket, string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo("qemu-nbd", ["--socket", socket, "--persistent", "--shared=16", .. arguments]) { UseShellExecute = false };
            var peer = new QemuNbd(Process.Start(start)!, socket);
            for (var waited = Stopwatch.StartNew(); !File.Exists(socket) && waited.Elapsed < s_patience;)
            {
                Thread.Sleep(20);
            }

            return peer;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
