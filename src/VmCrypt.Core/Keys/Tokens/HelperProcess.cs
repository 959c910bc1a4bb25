using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>Runs a program that reads a question from its standard input and writes a secret to its standard output.</summary>
/// <remarks>Neither stands in its arguments. Its answer goes from the pipe into a <see cref="SecretBuffer"/>, nowhere else.</remarks>
internal static class HelperProcess
{
    private const int MaxAnswer = 64 * 1024;
    private const int MaxComplaint = 2048;

    /// <param name="patience">How long it may take; then it is killed with all that it has started.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenHelperMissing"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyTokenHelperFailed"/>, <see cref="ErrorIds.KeyTokenHelperTimeout"/>.</exception>
    public static async Task<SecretBuffer> AskAsync(
        string program, string[] arguments, ReadOnlyMemory<byte> question, TimeSpan patience, CancellationToken cancellationToken)
    {
        using Process helper = Start(program, arguments);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        using var answer = new SecretBuffer(MaxAnswer + 1);
        try
        {
            Task<string> complaint = ReadComplaintAsync(helper.StandardError.BaseStream, limit.Token);
            Task<int> length = helper.StandardOutput.BaseStream.ReadAtLeastAsync(answer.Memory, answer.Length, throwOnEndOfStream: false, limit.Token).AsTask();
            await TellAsync(helper.StandardInput.BaseStream, question, limit.Token);
            await Task.WhenAll(length, complaint);
            await helper.WaitForExitAsync(limit.Token);
            return helper.ExitCode == 0 && length.Result is > 0 and <= MaxAnswer
                ? SecretBuffer.CopyOf(answer.Span[..length.Result])
                : throw new DeviceFaultException(ErrorIds.KeyTokenHelperFailed, Sentence(program, helper.ExitCode, length.Result, complaint.Result));
        }
        catch (OperationCanceledException fault) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DeviceFaultException(ErrorIds.KeyTokenHelperTimeout,
                $"{program} did not answer within {patience.TotalSeconds:0.#} s and was stopped.", fault);
        }
        finally
        {
            Kill(helper);
        }
    }

    private static Process Start(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["LC_ALL"] = "C.UTF-8";
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception fault)
        {
            throw new MissingException(ErrorIds.KeyTokenHelperMissing, $"The token needs the program {program}, which cannot be started: {fault.Message}.", fault);
        }
    }

    private static async Task TellAsync(Stream input, ReadOnlyMemory<byte> question, CancellationToken cancellationToken)
    {
        try
        {
            await using (input)
            {
                await input.WriteAsync(question, cancellationToken);
            }
        }
        catch (IOException)
        {
            // It has ended without listening; its exit code says more than this.
        }
    }

    private static async Task<string> ReadComplaintAsync(Stream error, CancellationToken cancellationToken)
    {
        byte[] start = new byte[MaxComplaint];
        int length = await error.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken);
        await error.CopyToAsync(Stream.Null, cancellationToken);
        string[] lines = Encoding.UTF8.GetString(start, 0, length).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return LuksText.Printable(string.Join("; ", lines));
    }

    private static string Sentence(string program, int exitCode, int length, string complaint)
    {
        string what = exitCode != 0 ? $"ended with {exitCode}" : length == 0 ? "gave an empty passphrase" : $"gave more than {MaxAnswer} bytes";
        return complaint.Length == 0 ? $"{program} {what}." : $"{program} {what}: {complaint.TrimEnd('.')}.";
    }

    private static void Kill(Process helper)
    {
        try
        {
            if (!helper.HasExited)
            {
                helper.Kill(entireProcessTree: true);
            }
        }
        catch (Exception fault) when (fault is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }
    }
}
