using System.Text.Json;
using VmCrypt.Cli;
using VmCrypt.Commands.Tests.Host;

namespace VmCrypt.Commands.Tests.Images;

/// <summary>A folder with a passphrase file, and <c>vmcrypt</c> run in this process as a user would run it.</summary>
internal sealed class Vmcrypt : IDisposable
{
    public const string Passphrase = "first";

    public Vmcrypt() => File.WriteAllText(this["first"], Passphrase + "\n");

    public string Folder { get; } = Directory.CreateTempSubdirectory("vmcrypt-").FullName;

    public StopSignals Signals { get; } = new();

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose()
    {
        Signals.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    public int Run(FakeTerminal terminal, params string[] arguments) => new CommandRunner(terminal, Signals).Run(arguments);

    /// <summary>Runs a command that must succeed, its output going into a pipe.</summary>
    public string Pipe(string input, params string[] arguments)
    {
        var terminal = FakeTerminal.Piped(input);
        int exitCode = Run(terminal, arguments);
        Assert.True(exitCode == 0, $"{arguments[0]} exited with {exitCode}: {terminal.Errors}");
        return terminal.Printed;
    }

    /// <summary>Runs a command that must fail, and returns what it says.</summary>
    public string Fail(params string[] arguments)
    {
        var terminal = FakeTerminal.Piped();
        Assert.Equal(2, Run(terminal, arguments));
        return terminal.Errors;
    }

    /// <summary>Makes a small encrypted disk and returns its path.</summary>
    public string NewImage(string name = "disk.qcow2")
    {
        Pipe(string.Empty, "New-EncryptedImage", this[name], "4MB", "-Passphrase", $"file:{this["first"]}", "-Iterations", "1000");
        return this[name];
    }

    public static JsonElement Json(string line) => JsonDocument.Parse(line).RootElement;
}
