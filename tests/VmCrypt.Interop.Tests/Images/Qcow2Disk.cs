using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>Opens qcow2 files for the tests of this folder, where no disk stack stands between.</summary>
internal static class Qcow2Disk
{
    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Opens the file, which is read into memory and not changed.</summary>
    public static ValueTask<Qcow2Image> OpenCopyAsync(string path) =>
        Qcow2Image.OpenAsync(new MemoryDevice(File.ReadAllBytes(path)), new Qcow2OpenOptions(), Token);

    public static async Task<byte[]> ReadAllAsync(IBlockDevice device)
    {
        byte[] bytes = new byte[device.Length];
        await device.ReadAsync(0, bytes, Token);
        return bytes;
    }

    public static async Task<byte[]> ReadFileAsync(string path)
    {
        await using Qcow2Image image = await OpenCopyAsync(path);
        return await ReadAllAsync(image);
    }

    /// <summary>The legacy scheme has no key derivation: the passphrase is the key, cut or padded with zeros.</summary>
    public static SectorCipher LegacyCipher(string passphrase)
    {
        byte[] key = new byte[16];
        System.Text.Encoding.UTF8.GetBytes(passphrase).AsSpan(0, Math.Min(16, passphrase.Length)).CopyTo(key);
        return SectorCipher.Create(CipherSpec.Parse("aes-cbc-plain64"), key);
    }
}
