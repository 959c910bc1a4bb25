using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Bench;

/// <summary>Images of one area, in memory where the system has a file system for that; gone afterwards.</summary>
/// <param name="parent">Where instead of in memory.</param>
internal sealed class BenchFolder(string? parent = null) : IDisposable
{
    private const string Passphrase = "benchmark";

    // Made when it is first used, because every area exists but not every one runs.
    private readonly Lazy<string> _folder = new(() =>
    {
        string root = parent ?? (Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath());
        string folder = Directory.CreateDirectory(Path.Combine(root, $"vmcrypt-bench-{Guid.NewGuid():N}")).FullName;
        File.WriteAllText(Path.Combine(folder, "secret"), Passphrase);
        return folder;
    });

    public string this[string name] => Path.Combine(_folder.Value, name);

    /// <summary>The secret of every image, as QEMU's tools take it.</summary>
    public string[] Secret => ["--object", $"secret,id=key,file={this["secret"]}"];

    public static SecretBuffer Key() => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(Passphrase));

    /// <summary>A LUKS image among <c>--image-opts</c>.</summary>
    public string LuksOptions(string name) => $"driver=luks,key-secret=key,file.driver=file,file.filename={this[name]}";

    /// <summary>A raw disk of bytes that neither compress nor are zero.</summary>
    public async Task FillAsync(string name, long size)
    {
        await using FileDevice disk = await FileDevice.CreateAsync(this[name], new FileCreateOptions { Length = size }, default);
        byte[] block = new byte[1 << 20];
        var random = new Random(1);
        for (long at = 0; at < size; at += block.Length)
        {
            random.NextBytes(block);
            await disk.WriteAsync(at, block, default);
        }
    }

    public void Delete(params string[] names) => Array.ForEach(names, name => File.Delete(this[name]));

    public void Dispose()
    {
        if (_folder.IsValueCreated)
        {
            Directory.Delete(_folder.Value, recursive: true);
        }
    }
}
