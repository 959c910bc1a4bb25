using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A qcow2 image with everything attached that its header asks for.</summary>
internal static class OpenQcow2
{
    private const int SecondSize = 256 * 1024;

    private static readonly CipherSpec s_legacyAes = new(CipherAlgorithm.Aes, CipherMode.Cbc, IvGenerator.Plain64);

    // Small enough that images of the fuzzer's size overflow it.
    private const int CacheBytes = 16 * 1024;

    /// <param name="file">Goes over to the image, unless this throws.</param>
    public static async Task<Qcow2Image> OpenAsync(IBlockDevice file, bool writable, Trace trace)
    {
        Qcow2Image image = await Qcow2Image.OpenAsync(file, new Qcow2OpenOptions { Writable = writable, MetadataCacheBytes = CacheBytes }, default);
        if (image.Backing is not null)
        {
            byte[] content = [.. Enumerable.Repeat((byte)0xB0, SecondSize)];
            image.AttachBacking(new SparseDisk(content, SecondSize, trace, writable: false));
        }

        if (image.Facts.HasDataFile)
        {
            image.AttachDataFile(new SparseDisk([], SecondSize, trace, writable));
        }

        if (image.Facts.CryptMethod != Qcow2CryptMethod.None)
        {
            bool legacy = image.Facts.CryptMethod == Qcow2CryptMethod.Aes;
            image.AttachCipher(SectorCipher.Create(legacy ? s_legacyAes : CipherSpec.Default, new byte[legacy ? 16 : 32]));
        }

        return image;
    }
}
