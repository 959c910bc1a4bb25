namespace VmCrypt.Interop.Tests.Block;

/// <summary>A mounted file system, until it is disposed; skips the test where we may not mount.</summary>
internal sealed class Mounted : IDisposable
{
    private Mounted(string folder) => Folder = folder;

    public string Folder { get; }

    /// <param name="folder">Is created.</param>
    /// <param name="arguments">What mount takes before the folder.</param>
    public static Mounted At(string folder, params string[] arguments)
    {
        Directory.CreateDirectory(folder);
        (int exitCode, _, string error) = Tools.TryRun("mount", [.. arguments, folder]);
        Assert.SkipWhen(exitCode != 0, $"nothing can be mounted here: {error.Trim()}");
        return new Mounted(folder);
    }

    public void Dispose() => Tools.Run("umount", Folder);
}
