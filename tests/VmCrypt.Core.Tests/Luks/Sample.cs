using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Headers that are quick to make: the least iterations, and room for one sector of payload.</summary>
internal static class Sample
{
    public const string Passphrase = "correct horse";

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static LuksFormatOptions Options { get; } = new() { Cost = KdfCost.OfIterations(KdfCost.MinIterations) };

    /// <summary>The same as LUKS2, with room for five slots.</summary>
    public static LuksFormatOptions Luks2Options { get; } = Options with { Version = LuksVersion.Luks2, KeyslotsSize = 5 * 258048, PayloadAlignment = 4096 };

    public static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(text));

    public static async Task<(MemoryDevice Device, LuksHeader Header, VolumeKey Key)> FormatAsync(LuksFormatOptions? options = null)
    {
        options ??= Options;
        var device = new MemoryDevice(options.HeaderLength + options.PayloadSectorSize);
        using SecretBuffer passphrase = Secret(Passphrase);
        (LuksHeader header, VolumeKey key) = await LuksHeader.FormatAsync(device, options, passphrase, Token);
        return (device, header, key);
    }

    public static Task<LuksHeader> OpenAsync(IBlockDevice device, LuksPlacement placement = LuksPlacement.Attached) =>
        LuksHeader.OpenAsync(device, new LuksOpenOptions { Placement = placement }, Token).AsTask();

    public static async Task<Unlocked> UnlockAsync(this LuksHeader header, string passphrase, int? slot = null)
    {
        using SecretBuffer secret = Secret(passphrase);
        return await header.UnlockAsync(secret, slot, Token);
    }

    /// <summary>Fails unless the passphrase opens the header, and finds that volume key.</summary>
    public static async Task AssertOpensAsync(this LuksHeader header, string passphrase, VolumeKey key)
    {
        using VolumeKey opened = (await header.UnlockAsync(passphrase)).Key;
        Assert.Equal(key.Span, opened.Span);
    }

    public static async Task<bool> OpensAsync(this LuksHeader header, string passphrase)
    {
        try
        {
            using VolumeKey key = (await header.UnlockAsync(passphrase)).Key;
            return true;
        }
        catch (WrongKeyException error)
        {
            Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
            return false;
        }
    }

    public static async Task<int> AddAsync(this LuksHeader header, VolumeKey key, string passphrase, int? slot = null)
    {
        using SecretBuffer secret = Secret(passphrase);
        return await header.AddSlotAsync(key, secret, slot, Options.Cost, Token);
    }

    public static async Task<int> ChangeAsync(this LuksHeader header, VolumeKey key, int slot, string passphrase)
    {
        using SecretBuffer secret = Secret(passphrase);
        return await header.ChangeSlotAsync(key, slot, secret, Options.Cost, prove: null, Token);
    }

    public static Task RemoveAsync(this LuksHeader header, int slot, bool force = false) =>
        header.RemoveSlotAsync(slot, force, Token).AsTask();
}
