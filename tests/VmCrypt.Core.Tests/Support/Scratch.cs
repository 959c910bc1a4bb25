namespace VmCrypt.Core.Tests.Support;

/// <summary>A folder for one test, gone afterwards.</summary>
internal sealed class Scratch : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("vmcrypt-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Writes a file and returns its path.</summary>
    public string File(string name, ReadOnlySpan<byte> content)
    {
        System.IO.File.WriteAllBytes(this[name], content.ToArray());
        return this[name];
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
