using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>The secret that libvirt has given to one running domain, so that no passphrase stands in the clear in its monitor or logs.</summary>
internal sealed class LibvirtMasterKey : IDisposable
{
    /// <summary>What libvirt calls the object in every QEMU that it starts.</summary>
    public const string ObjectId = "masterKey0";

    private const string FileName = "master-key.aes";

    private LibvirtMasterKey(SecretBuffer key)
    {
        Key = key;
    }

    /// <summary>32 bytes.</summary>
    public SecretBuffer Key { get; }

    /// <summary>Reads the key of a domain of this host; null where this user may not, or QEMU has none.</summary>
    /// <remarks>QEMU itself says which file it has read: libvirt counts its domains anew after each start, and may leave folders of earlier ones.</remarks>
    public static async ValueTask<LibvirtMasterKey?> FindAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        try
        {
            var question = new JsonObject { ["path"] = $"/objects/{ObjectId}", ["property"] = "file" };
            JsonElement file = await monitor.ExecuteAsync("qom-get", question, cancellationToken);
            return file.ValueKind == JsonValueKind.String ? Read(new FileInfo(file.GetString()!)) : null;
        }
        catch (VmCryptException refusal) when (refusal.ErrorId == ErrorIds.MonitorRefused)
        {
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose() => Key.Dispose();

    // A guest that has taken over its QEMU shall not have us read another file, or wait for a pipe.
    private static LibvirtMasterKey? Read(FileInfo key)
    {
        if (key.Name != FileName || key.Length != QemuSecrets.MasterSize)
        {
            return null;
        }

        using FileStream file = key.OpenRead();
        var bytes = new SecretBuffer(QemuSecrets.MasterSize);
        try
        {
            file.ReadExactly(bytes.Span);
            return new LibvirtMasterKey(bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }
}
