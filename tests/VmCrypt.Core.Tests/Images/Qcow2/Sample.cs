using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

/// <summary>Small images in memory.</summary>
internal static class Sample
{
    private static readonly byte[] s_key = [.. Enumerable.Range(1, 64).Select(i => (byte)i)];

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A cache so small that it must evict and be relieved.</summary>
    public static Qcow2OpenOptions Writable { get; } = new() { Writable = true, MetadataCacheBytes = 64 * 1024 };

    public static SectorCipher Cipher => SectorCipher.Create(CipherSpec.Default, s_key);

    /// <summary>An empty image.</summary>
    public static async Task<byte[]> CreateAsync(Qcow2CreateOptions options)
    {
        await using var file = new MemoryDevice(0);
        await Qcow2Builder.CreateAsync(file, options, Token);
        return file.ToArray();
    }

    /// <summary>Opens an image with a cipher if it is encrypted, and a backing file or data file of these bytes if it names one.</summary>
    public static async Task<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions? options = null, byte[]? backing = null, IBlockDevice? dataFile = null)
    {
        Qcow2Image image = await Qcow2Image.OpenAsync(file, options ?? new Qcow2OpenOptions(), Token);
        if (image.Facts.CryptMethod == Qcow2CryptMethod.Luks)
        {
            image.AttachCipher(Cipher);
        }

        if (image.Backing is not null)
        {
            image.AttachBacking(new MemoryDevice(backing!, writable: false));
        }

        if (image.Facts.HasDataFile)
        {
            image.AttachDataFile(dataFile!);
        }

        return image;
    }

    /// <summary>An image that shows <paramref name="content"/>.</summary>
    public static async Task<byte[]> WithContentAsync(Qcow2CreateOptions options, byte[] content)
    {
        var file = new MemoryDevice(await CreateAsync(options with { Size = content.Length }));
        await using (Qcow2Image image = await OpenAsync(file, Writable))
        {
            await image.WriteAsync(0, content, Token);
        }

        return file.ToArray();
    }

    public static async Task<byte[]> ReadAllAsync(IBlockDevice device)
    {
        byte[] bytes = new byte[device.Length];
        await device.ReadAsync(0, bytes, Token);
        return bytes;
    }

    /// <summary>Fails unless our own check finds no corruption (and no leaks, if they are not allowed).</summary>
    public static async Task CheckAsync(byte[] image, bool leaksAllowed = false, string context = "")
    {
        await using var file = new MemoryDevice(image, writable: false);
        Qcow2CheckResult result = await Qcow2Check.RunAsync(file, Token);
        Assert.True(result.Corruptions == 0 && (leaksAllowed || result.LeakedClusters == 0), $"{context} {string.Join(' ', result.Findings)}");
    }
}
