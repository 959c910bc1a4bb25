using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace VmCrypt.Interop.Tests.Database;

/// <summary>A PostgreSQL server of our own on a free port of the loopback interface, its files in a temporary folder.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "postgres";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly string _programs;
    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-pg-").FullName;
    private readonly int _port;
    private Process? _process;

    private PostgresServer(string programs)
    {
        _programs = programs;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _port = ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>The server's own database, as <c>Set-HostDatabase</c> takes it.</summary>
    public string Connection => ConnectionTo(User);

    private string Data => Path.Combine(_folder, "data");

    /// <summary>Makes a cluster and starts it; skips the test where PostgreSQL is not installed.</summary>
    public static async Task<PostgresServer> StartAsync(Action<string>? configure = null)
    {
        string[] versions = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [];
        string? programs = versions.Order(StringComparer.Ordinal).Select(version => Path.Combine(version, "bin")).LastOrDefault(folder => File.Exists(Path.Combine(folder, "postgres")));
        Assert.SkipWhen(programs is null, "postgresql is not installed");
        Tools.Require("setpriv");
        var server = new PostgresServer(programs!);
        if (Environment.IsPrivilegedProcess)
        {
            Tools.Run("chown", User, server._folder);
        }

        server.Run("initdb", "-D", server.Data, "-U", User, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C");
        configure?.Invoke(server.Data);
        await server.StartAgainAsync();
        return server;
    }

    /// <summary>Starts it once more, and returns when it answers.</summary>
    public async Task StartAgainAsync()
    {
        using var limit = new CancellationTokenSource(s_patience);
        while (true)
        {
            _process = Start("postgres", "-D", Data, "-p", $"{_port}", "-k", _folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off");
            while (!_process.HasExited)
            {
                if (Try("pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{_port}") == 0)
                {
                    return;
                }

                await Task.Delay(50, limit.Token);
            }

            // What a killed server leaves in shared memory has to go first.
            _process.Dispose();
            await Task.Delay(100, limit.Token);
        }
    }

    /// <summary>As if the power had gone.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
            _process = null;
        }
    }

    /// <summary>Makes a database of its own for a test.</summary>
    public PostgresDatabase Create()
    {
        string name = $"test_{Guid.NewGuid():N}";
        Ask(User, $"create database {name}");
        return new PostgresDatabase(this, name);
    }

    public string ConnectionTo(string database) => $"Host=127.0.0.1;Port={_port};Username={User};Database={database};Timeout=3";

    /// <summary>Asks the server itself, as psql does.</summary>
    public string Ask(string database, string sql) =>
        Tools.Run(Path.Combine(_programs, "psql"), "-h", "127.0.0.1", "-p", $"{_port}", "-U", User, "-d", database, "-v", "ON_ERROR_STOP=1", "-AtXc", sql);

    /// <summary>Everything in a database, as text.</summary>
    public string Dump(string database) => Tools.Run(Path.Combine(_programs, "pg_dump"), "-h", "127.0.0.1", "-p", $"{_port}", "-U", User, database);

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private void Run(string program, params string[] arguments) => Assert.True(Try(program, arguments) == 0, $"{program} failed");

    private int Try(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }

    // The server refuses to run as root; setpriv becomes it, so that its process is ours to kill.
    private Process Start(string program, params string[] arguments)
    {
        string path = Path.Combine(_programs, program);
        var start = Environment.IsPrivilegedProcess
            ? new ProcessStartInfo("setpriv", [$"--reuid={User}", $"--regid={User}", "--clear-groups", path, .. arguments])
            : new ProcessStartInfo(path, arguments);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.WorkingDirectory = "/";
        Process process = Process.Start(start)!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }
}

/// <summary>A database on the server that the tests share; killing the server is for all of them.</summary>
internal sealed class PostgresDatabase(PostgresServer server, string name)
{
    /// <summary>As <c>Set-HostDatabase</c> takes it.</summary>
    public string Connection => server.ConnectionTo(name);

    public string Ask(string sql) => server.Ask(name, sql);

    public string Dump() => server.Dump(name);

    public Task KillAsync() => server.KillAsync();

    public Task StartAgainAsync() => server.StartAgainAsync();
}

/// <summary>One server for all tests, which take turns; started by the first of them.</summary>
public sealed class PostgresHouse : IAsyncDisposable
{
    private PostgresServer? _server;

    internal async Task<PostgresDatabase> CreateAsync() => (_server ??= await PostgresServer.StartAsync()).Create();

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;
}

[CollectionDefinition(nameof(PostgresHouse))]
public sealed class PostgresTests : ICollectionFixture<PostgresHouse>;
