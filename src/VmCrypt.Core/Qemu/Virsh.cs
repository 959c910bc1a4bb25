using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>virsh, a process for each command: what it reads comes through its standard input, never from its arguments or a file of ours.</summary>
/// <param name="connection">libvirt's URI, such as <c>qemu:///system</c> or <c>qemu+ssh://host/system</c>.</param>
internal sealed class Virsh(string connection)
{
    private const int MaxAnswer = QmpSession.MaxMessageBytes;

    // Of a secret of 64 KiB, which is libvirt's own limit, with room to see that it is no longer.
    private const int MaxSecretText = 96 * 1024;

    /// <summary>Names standard input where virsh wants a file.</summary>
    public const string Input = "/dev/stdin";

    public string Connection => connection;

    /// <summary>Its files are ours: qemu:///system and qemu+unix:///system have no host, qemu+ssh://host/system has one.</summary>
    public bool IsLocal => Uri.TryCreate(connection, UriKind.Absolute, out Uri? uri) && uri.Host.Length == 0;

    /// <summary>Runs a command and returns what it printed.</summary>
    /// <param name="input">What virsh reads as the file <see cref="Input"/>; borrowed.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.MonitorUnreachable"/>: no virsh. <see cref="ErrorIds.VmMissing"/>, <see cref="ErrorIds.LibvirtSecretMissing"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.LibvirtUnreachable"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LibvirtRefused"/>, with libvirt's own words.</exception>
    public Task<string> PipeAsync(ReadOnlyMemory<byte> input, CancellationToken cancellationToken, params string[] command) =>
        ConverseAsync(input, virsh => ReadAsync(virsh.StandardOutput, cancellationToken), command, cancellationToken);

    /// <inheritdoc cref="PipeAsync(ReadOnlyMemory{byte}, CancellationToken, string[])"/>
    public Task<string> RunAsync(CancellationToken cancellationToken, params string[] command) => PipeAsync(ReadOnlyMemory<byte>.Empty, cancellationToken, command);

    /// <inheritdoc cref="PipeAsync(ReadOnlyMemory{byte}, CancellationToken, string[])"/>
    public Task<string> PipeAsync(string input, CancellationToken cancellationToken, params string[] command) =>
        PipeAsync(Encoding.UTF8.GetBytes(input), cancellationToken, command);

    /// <summary>Runs a command that prints a secret in base64, and returns its bytes, which the caller disposes.</summary>
    /// <inheritdoc cref="PipeAsync(ReadOnlyMemory{byte}, CancellationToken, string[])"/>
    public Task<SecretBuffer> ReadSecretAsync(CancellationToken cancellationToken, params string[] command) =>
        ConverseAsync(ReadOnlyMemory<byte>.Empty, virsh => DecodeAsync(virsh.StandardOutput.BaseStream, cancellationToken), command, cancellationToken);

    private async Task<T> ConverseAsync<T>(ReadOnlyMemory<byte> input, Func<Process, Task<T>> read, string[] command, CancellationToken cancellationToken)
    {
        using Process virsh = VirshShell.Launch(connection, command);
        try
        {
            Task<T> output = read(virsh);
            Task<string> complaints = ReadAsync(virsh.StandardError, cancellationToken);
            await FeedAsync(virsh, input, cancellationToken);
            await Task.WhenAll(output, complaints);
            await virsh.WaitForExitAsync(cancellationToken);
            return virsh.ExitCode == 0 ? await output : throw Failure(command[0], (await complaints).Trim());
        }
        catch (OperationCanceledException)
        {
            virsh.Kill();
            throw;
        }
    }

    // Past the reader that decodes text, whose buffer would keep a secret.
    private static async Task<SecretBuffer> DecodeAsync(Stream output, CancellationToken cancellationToken)
    {
        using var text = new SecretBuffer(MaxSecretText);
        int length = await output.ReadAtLeastAsync(text.Memory, text.Length, throwOnEndOfStream: false, cancellationToken);
        Span<byte> encoded = text.Span[..length].TrimEnd((byte)'\n');
        return Base64.DecodeFromUtf8InPlace(encoded, out int size) == OperationStatus.Done
            ? SecretBuffer.CopyOf(encoded[..size])
            : throw new InvalidInputException(ErrorIds.LibvirtXmlInvalid, "libvirt gives a secret whose value is no base64.");
    }

    // Past the writer that encodes text, whose buffer would keep a secret.
    private static async Task FeedAsync(Process virsh, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        try
        {
            await virsh.StandardInput.BaseStream.WriteAsync(input, cancellationToken);
            virsh.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read all: its exit code says why.
        }
    }

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        char[] buffer = new char[16 * 1024];
        while (await reader.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            text.Append(buffer, 0, Math.Min(count, MaxAnswer - text.Length));
        }

        return text.ToString();
    }

    private VmCryptException Failure(string command, string words)
    {
        string sentence = $"libvirt ({connection}), {command}: {words.Replace("error: ", string.Empty, StringComparison.Ordinal).ReplaceLineEndings(" ")}";
        return words switch
        {
            _ when Says("failed to connect to the hypervisor") => new DeviceFaultException(ErrorIds.LibvirtUnreachable, sentence),
            _ when Says("failed to get domain") || Says("Domain not found") => new MissingException(ErrorIds.VmMissing, sentence),
            _ when Says("failed to get secret") || Says("Secret not found") || Says("no secret with matching") => new MissingException(ErrorIds.LibvirtSecretMissing, sentence),
            _ => new RefusedException(ErrorIds.LibvirtRefused, sentence),
        };

        bool Says(string text) => words.Contains(text, StringComparison.OrdinalIgnoreCase);
    }
}
