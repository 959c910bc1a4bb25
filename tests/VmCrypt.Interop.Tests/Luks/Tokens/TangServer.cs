using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>A tang server on a free port: one <c>tangd</c> per connection, as inetd would start it.</summary>
internal sealed class TangServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _program;
    private readonly string _keys;
    private readonly Task _serving;

    private TangServer(string program, string keys)
    {
        _program = program;
        _keys = keys;
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Makes keys and serves them; skips the test where there is no tang.</summary>
    public static TangServer Start(Scratch scratch)
    {
        string? folder = new[] { "/usr/libexec", "/usr/lib/x86_64-linux-gnu", "/usr/lib" }.FirstOrDefault(place => File.Exists(Path.Combine(place, "tangd-keygen")));
        Assert.SkipWhen(folder is null, "tang is not installed");
        string keys = Directory.CreateDirectory(scratch[$"{Guid.NewGuid():N}.tang"]).FullName;
        Tools.Run(Path.Combine(folder!, "tangd-keygen"), keys);
        return new TangServer(Path.Combine(folder!, "tangd"), keys);
    }

    /// <summary>What clevis wants to be told of it: where it is, and which keys it must have.</summary>
    public string Policy() => $$"""{"url":"{{Url}}","thp":"{{Thumbprint()}}"}""";

    /// <summary>Ends it; more than once is all right.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _serving;
    }

    // The signing key's file is named by its thumbprint.
    private string Thumbprint() => Path.GetFileNameWithoutExtension(
        Directory.GetFiles(_keys, "*.jwk").Single(file => File.ReadAllText(file).Contains("\"verify\"", StringComparison.Ordinal)));

    private async Task ServeAsync()
    {
        while (true)
        {
            try
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = AnswerAsync(client);
            }
            catch (Exception end) when (end is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using TcpClient connection = client;
        using Process tangd = Process.Start(new ProcessStartInfo(_program, [_keys])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            NetworkStream stream = connection.GetStream();
            Task asked = stream.CopyToAsync(tangd.StandardInput.BaseStream, _stop.Token);
            await tangd.StandardOutput.BaseStream.CopyToAsync(stream, _stop.Token);
            _ = asked.ContinueWith(static task => task.Exception, TaskScheduler.Default);
        }
        catch (Exception end) when (end is IOException or OperationCanceledException)
        {
            // The client has what it wanted.
        }
        finally
        {
            tangd.Kill();
        }
    }
}
