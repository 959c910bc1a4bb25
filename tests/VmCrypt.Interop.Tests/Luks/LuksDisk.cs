using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>A raw file with an attached LUKS header, used by us and by the tools in turns.</summary>
internal sealed class LuksDisk(string path)
{
    public const string Passphrase = "correct horse";
    public const int PayloadLength = 64 * 1024;

    public static LuksFormatOptions Quick { get; } = new() { Cost = KdfCost.OfIterations(KdfCost.MinIterations) };

    /// <summary>LUKS2 with room for five slots of 512 bits.</summary>
    public static LuksFormatOptions QuickLuks2 { get; } = Quick with { Version = LuksVersion.Luks2, KeyslotsSize = 5 * 258048, PayloadAlignment = 4096 };

    public string Path => path;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(text));

    /// <summary>Makes a disk with our own hands.</summary>
    public static async Task<LuksDisk> FormatAsync(Scratch scratch, LuksFormatOptions options, string passphrase = Passphrase)
    {
        var device = new MemoryDevice(options.HeaderLength + (options.Placement == LuksPlacement.Attached ? PayloadLength : 0));
        using SecretBuffer secret = Secret(passphrase);
        (_, VolumeKey key) = await LuksHeader.FormatAsync(device, options, secret, Token);
        key.Dispose();
        return new LuksDisk(scratch.File($"{Guid.NewGuid():N}.luks", device.ToArray()));
    }

    /// <summary>Opens the header as it stands in the file; changes to it are lost.</summary>
    public async Task<LuksHeader> OpenAsync(LuksPlacement placement = LuksPlacement.Attached) =>
        await LuksHeader.OpenAsync(new MemoryDevice(File.ReadAllBytes(path)), new LuksOpenOptions { Placement = placement }, Token);

    /// <summary>The slot that a passphrase opens; null if none.</summary>
    public async Task<int?> SlotOfAsync(string passphrase, LuksPlacement placement = LuksPlacement.Attached)
    {
        using SecretBuffer secret = Secret(passphrase);
        try
        {
            Unlocked unlocked = await (await OpenAsync(placement)).UnlockAsync(secret, null, Token);
            unlocked.Key.Dispose();
            return unlocked.Slot;
        }
        catch (Core.Errors.WrongKeyException)
        {
            return null;
        }
    }

    public async Task<byte[]> VolumeKeyAsync(string passphrase = Passphrase, LuksPlacement placement = LuksPlacement.Attached)
    {
        using SecretBuffer secret = Secret(passphrase);
        using VolumeKey key = (await (await OpenAsync(placement)).UnlockAsync(secret, null, Token)).Key;
        return key.Span.ToArray();
    }

    public Task<int> AddAsync(string passphrase, string added, int? slot = null, KdfCost? cost = null) => ChangeAsync(passphrase, async (header, unlocked) =>
    {
        using SecretBuffer secret = Secret(added);
        return await header.AddSlotAsync(unlocked.Key, secret, slot, cost ?? Quick.Cost, Token);
    });

    public Task<int> ReplaceAsync(string old, string replacement) => ChangeAsync(old, async (header, unlocked) =>
    {
        using SecretBuffer secret = Secret(replacement);
        return await header.ChangeSlotAsync(unlocked.Key, unlocked.Slot, secret, Quick.Cost, prove: null, Token);
    });

    public Task RemoveAsync(string passphrase) => ChangeAsync(passphrase, async (header, unlocked) =>
    {
        await header.RemoveSlotAsync(unlocked.Slot, force: false, Token);
        return unlocked.Slot;
    });

    public async Task<byte[]> ReadPayloadAsync(string passphrase = Passphrase)
    {
        await using CryptDevice plain = await PlainAsync(new MemoryDevice(File.ReadAllBytes(path)), passphrase);
        byte[] bytes = new byte[plain.Length];
        await plain.ReadAsync(0, bytes, Token);
        return bytes;
    }

    public async Task WritePayloadAsync(ReadOnlyMemory<byte> bytes, string passphrase = Passphrase)
    {
        var device = new MemoryDevice(File.ReadAllBytes(path));
        await using CryptDevice plain = await PlainAsync(device, passphrase);
        await plain.WriteAsync(0, bytes, Token);
        File.WriteAllBytes(path, device.ToArray());
    }

    private static async Task<CryptDevice> PlainAsync(MemoryDevice device, string passphrase)
    {
        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
        using SecretBuffer secret = Secret(passphrase);
        using VolumeKey key = (await header.UnlockAsync(secret, null, Token)).Key;
        return new CryptDevice(SubDevice.Tail(device, header.Payload.Offset, ownsInner: false), key.CreateCipher(), header.Payload.IvOffset);
    }

    public async Task<int> ChangeAsync(string passphrase, Func<LuksHeader, Unlocked, Task<int>> change, LuksPlacement placement = LuksPlacement.Attached)
    {
        var device = new MemoryDevice(File.ReadAllBytes(path));
        LuksHeader header = await LuksHeader.OpenAsync(device, new LuksOpenOptions { Placement = placement }, Token);
        using SecretBuffer secret = Secret(passphrase);
        Unlocked unlocked = await header.UnlockAsync(secret, null, Token);
        using VolumeKey key = unlocked.Key;
        int slot = await change(header, unlocked);
        File.WriteAllBytes(path, device.ToArray());
        return slot;
    }
}
