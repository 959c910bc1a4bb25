using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Qemu;

/// <summary>The secret that libvirt has given to one running domain, so that no passphrase stands in the clear in its monitor or logs.</summary>
internal sealed class LibvirtMasterKey : IDisposable
{
    /// <summary>What libvirt calls the object in every QEMU that it starts.</summary>
    public const string ObjectId = "masterKey0";

    private const string SystemFolder = "/var/lib/libvirt/qemu";
    private const string FileName = "master-key.aes";

    private LibvirtMasterKey(SecretBuffer key)
    {
        Key = key;
    }

    /// <summary>32 bytes.</summary>
    public SecretBuffer Key { get; }

    /// <summary>Reads the key of a domain of this host; null where this user may not, or libvirt keeps it elsewhere.</summary>
    /// <param name="number">The domain's number as long as it runs.</param>
    public static LibvirtMasterKey? Find(string number)
    {
        try
        {
            string? folder = Directory.EnumerateDirectories(SystemFolder, $"domain-{number}-*").FirstOrDefault();
            return folder is null ? null : Read(Path.Combine(folder, FileName));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose() => Key.Dispose();

    private static LibvirtMasterKey? Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var key = new SecretBuffer(QemuSecrets.MasterSize);
        try
        {
            file.ReadExactly(key.Span);
            return new LibvirtMasterKey(key);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }
}
