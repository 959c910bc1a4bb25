namespace VmCrypt.Interop.Tests.Block;

/// <summary>A file as a block device of the host, until it is disposed; skips the test where that is not possible.</summary>
internal sealed class LoopDevice : IDisposable
{
    private LoopDevice(string path) => Path = path;

    /// <summary>/dev/loopN.</summary>
    public string Path { get; }

    public string Name => System.IO.Path.GetFileName(Path);

    public static LoopDevice Over(string file, params string[] options)
    {
        (int exitCode, string output, string error) = Tools.TryRun("losetup", ["--find", "--show", .. options, file]);
        Assert.SkipWhen(exitCode != 0, $"no loop device to be had here: {error.Trim()}");
        return new LoopDevice(output.Trim());
    }

    public void Dispose() => Tools.Run("losetup", "--detach", Path);
}
