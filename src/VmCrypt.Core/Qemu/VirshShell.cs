using System.Diagnostics;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>One virsh kept running, so that a command costs a millisecond or two and not a process.</summary>
/// <remarks>
/// virsh echoes its prompt and our line, so each command is followed by an <c>echo</c> of a word that stands in the command in two
/// pieces: where it is whole, the answer ends. The word is new each time, so nothing a guest has named can be mistaken for it.
/// </remarks>
internal sealed class VirshShell : IAsyncDisposable
{
    private const int MaxAnswer = QmpSession.MaxMessageBytes;

    private readonly Process _virsh;
    private readonly TimeSpan _patience;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly char[] _buffer = new char[16 * 1024];
    private readonly StringBuilder _complaints = new();

    private VirshShell(Process virsh, TimeSpan patience)
    {
        _virsh = virsh;
        _patience = patience;
        virsh.ErrorDataReceived += (_, line) => Complain(line.Data);
        virsh.BeginErrorReadLine();
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.MonitorUnreachable"/>: no virsh on this machine.</exception>
    public static VirshShell Start(string connection, TimeSpan patience) => new(Launch(connection), patience);

    /// <summary>Starts virsh with a command of its own, or as a shell without one.</summary>
    internal static Process Launch(string connection, params string[] command)
    {
        var start = new ProcessStartInfo("virsh", ["-q", "-c", connection, .. command])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        start.Environment["TERM"] = "dumb";
        start.Environment["LC_ALL"] = "C.UTF-8";
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            throw new MissingException(ErrorIds.MonitorUnreachable, $"libvirt's virsh cannot be started: {fault.Message}", fault);
        }
    }

    /// <summary>An argument as virsh's own command line wants it quoted.</summary>
    public static string Quote(string argument) => $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>Runs a command and returns the lines that it printed, our own echoed line among them.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.MonitorLost"/>, <see cref="ErrorIds.MonitorTimeout"/>; the shell is of no use afterwards.</exception>
    public async Task<string[]> RunAsync(string command, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            string word = Guid.NewGuid().ToString("N");
            await _virsh.StandardInput.WriteAsync($"{command}\necho '{word[..8]}''{word[8..]}'\n".AsMemory(), cancellationToken);
            await _virsh.StandardInput.FlushAsync(cancellationToken);
            return await ReadToAsync(word, cancellationToken).WaitAsync(_patience, cancellationToken);
        }
        catch (TimeoutException fault)
        {
            Kill();
            throw new DeviceFaultException(ErrorIds.MonitorTimeout, $"virsh did not answer within {_patience.TotalSeconds:0.#} s.", fault);
        }
        catch (Exception fault) when (fault is IOException or InvalidOperationException or OperationCanceledException)
        {
            // In the middle of an answer there is no way back.
            Kill();
            if (fault is OperationCanceledException)
            {
                throw;
            }

            throw new DeviceFaultException(ErrorIds.MonitorLost, $"virsh ended: {Complaints()}{fault.Message}", fault);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>What virsh has complained about since it was last asked.</summary>
    public string Complaints()
    {
        lock (_complaints)
        {
            string text = _complaints.ToString();
            _complaints.Clear();
            return text;
        }
    }

    public ValueTask DisposeAsync()
    {
        Kill();
        _virsh.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<string[]> ReadToAsync(string word, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        while (true)
        {
            int count = await _virsh.StandardOutput.ReadAsync(_buffer, cancellationToken);
            if (count == 0)
            {
                throw new IOException("end of output.");
            }

            int searchFrom = Math.Max(0, text.Length - word.Length);
            text.Append(_buffer, 0, count);
            if (text.ToString(searchFrom, text.Length - searchFrom).Contains(word, StringComparison.Ordinal))
            {
                return text.ToString().Split('\n');
            }

            if (text.Length > MaxAnswer)
            {
                throw new IOException($"an answer of more than {MaxAnswer} characters.");
            }
        }
    }

    private void Complain(string? line)
    {
        lock (_complaints)
        {
            if (line is not null && _complaints.Length < 4096)
            {
                _complaints.Append(line).Append(' ');
            }
        }
    }

    private void Kill()
    {
        try
        {
            _virsh.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }
}
