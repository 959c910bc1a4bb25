namespace VmCrypt.Fuzz.Targets;

/// <summary>A folder for what a target must have as a file; in memory where the system has such a place, and gone with the process.</summary>
internal sealed class ScratchFolder
{
    private static readonly string s_parent = Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath();

    private readonly Lazy<string> _path;

    /// <param name="fill">Makes what lies in it from the start.</param>
    public ScratchFolder(Action<string>? fill = null) => _path = new Lazy<string>(() =>
    {
        string path = Directory.CreateDirectory(System.IO.Path.Combine(s_parent, $"vmcrypt-fuzz-{Guid.NewGuid():N}")).FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(path, recursive: true);
        fill?.Invoke(path);
        return path;
    });

    public string Path => _path.Value;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Puts the file there, whatever was.</summary>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        string path = this[name];
        File.WriteAllBytes(path, content);
        return path;
    }
}
