using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks1;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Encrypts, decrypts and re-encrypts disks in their place, so that at every moment they can be gone on with.</summary>
/// <remarks>
/// Each call goes on with what an earlier one, or cryptsetup, left unfinished. The image is locked: a second process is refused.
/// </remarks>
public static class DiskReencryption
{
    // LUKS1 has eight slots, and what protects the zones needs room beside the one that is in use.
    private const int Luks1Slots = 9;

    /// <summary>Makes an encrypted disk of a plain one.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="passphrase">Of the first key slot; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.AlreadyEncrypted"/>, <see cref="ErrorIds.NoRoomForHeader"/>,
    /// <see cref="ErrorIds.LayerHasOtherUsers"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    public static async Task ProtectAsync(
        ReencryptionOptions options, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await LayerUsers.RequireNoneAsync(options, ReencryptionMode.Encrypt, cancellationToken);
        await using var image = await ReencryptedImage.OpenAsync(options, cancellationToken);
        await ProtectAsync(image, passphrase, progress, cancellationToken);
    }

    /// <summary>Makes a plain disk of an encrypted one.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="passphrase">Opens it; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LayerHasOtherUsers"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    public static async Task UnprotectAsync(
        ReencryptionOptions options, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await LayerUsers.RequireNoneAsync(options, ReencryptionMode.Decrypt, cancellationToken);
        await using var image = await ReencryptedImage.OpenAsync(options, cancellationToken);
        await UnprotectAsync(image, passphrase, progress, cancellationToken);
    }

    /// <summary>Gives a disk another volume key, and with it another cipher, key size or sector size where asked for.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="passphrase">Opens it; borrowed.</param>
    /// <param name="newPassphrases">Of the new key, one slot each; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsWouldBeLost"/>, <see cref="ErrorIds.KeySlotsFull"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public static async Task UpdateKeyAsync(
        ReencryptionOptions options, SecretBuffer passphrase, IReadOnlyList<SecretBuffer> newPassphrases,
        IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await using var image = await ReencryptedImage.OpenAsync(options, cancellationToken);
        await UpdateKeyAsync(image, passphrase, newPassphrases, progress, cancellationToken);
    }

    /// <summary>Goes on with whatever is unfinished.</summary>
    /// <param name="options">The image; what it is to become stands in its header.</param>
    /// <param name="passphrases">Of both keys; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Luks2NotReencrypting"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public static async Task ResumeAsync(
        ReencryptionOptions options, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        await using var image = await ReencryptedImage.OpenAsync(options, cancellationToken);
        await ResumeAsync(image, passphrases, progress, cancellationToken);
    }

    internal static async Task ProtectAsync(
        ReencryptedImage image, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await Qcow2Conversion.FindAsync(image, cancellationToken) is { } qcow2)
        {
            await qcow2.ProtectAsync(passphrase, progress, cancellationToken);
            return;
        }

        await image.UndoPreparedAsync(cancellationToken);
        if (!await image.IsUnfinishedAsync(cancellationToken))
        {
            await BeginProtectionAsync(image, passphrase, cancellationToken);
        }

        await image.RunAsync(ReencryptionMode.Encrypt, [passphrase], progress, cancellationToken);
    }

    internal static async Task UnprotectAsync(
        ReencryptedImage image, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await Qcow2Conversion.FindAsync(image, cancellationToken) is { } qcow2)
        {
            await qcow2.UnprotectAsync(passphrase, progress, cancellationToken);
            return;
        }

        if (!await image.IsUnfinishedAsync(cancellationToken))
        {
            LuksHeader header = await image.OpenLuksAsync(cancellationToken);
            using VolumeKey key = (await header.UnlockAsync(passphrase, slot: null, cancellationToken)).Key;
            if (image.Options.HeaderPath is null)
            {
                KdfCost cost = PbkdfCost(image.Options.Encryption.Cost);
                await HeaderAside.CopyAsync(image.Data, image.Shelf, header, key, passphrase, cost, image.Flags, cancellationToken);
                await HeaderAside.BeginAsync(image.Data, image.Shelf, [passphrase], image.Options.Resilience, cancellationToken);
            }
            else
            {
                await BeginByLuks2Async(image, header, () => Luks2ReencryptStart.DecryptAsync(
                    image.HeaderDevice, image.PayloadLength(header), key, image.Flags, image.Options.Resilience, cancellationToken), cancellationToken);
            }
        }

        await image.RunAsync(ReencryptionMode.Decrypt, [passphrase], progress, cancellationToken);
    }

    internal static async Task UpdateKeyAsync(
        ReencryptedImage image, SecretBuffer passphrase, IReadOnlyList<SecretBuffer> newPassphrases,
        IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await Qcow2Conversion.FindAsync(image, cancellationToken) is { } qcow2)
        {
            await qcow2.UpdateKeyAsync(passphrase, newPassphrases, progress, cancellationToken);
            return;
        }

        ReencryptionOptions options = image.Options;
        if (!await image.IsUnfinishedAsync(cancellationToken))
        {
            LuksHeader header = await image.OpenLuksAsync(cancellationToken);
            Unlocked unlocked = await header.UnlockAsync(passphrase, slot: null, cancellationToken);
            using VolumeKey key = unlocked.Key;
            LuksFormatOptions target = await PlanUpdateAsync(image, header, unlocked.Slot, passphrase, cancellationToken);
            await BeginByLuks2Async(image, header, () => Luks2ReencryptStart.UpdateAsync(
                image.HeaderDevice, image.PayloadLength(header), key, target, newPassphrases, NewKeyFlagsFor(options.Version ?? header.Version, image), options.Resilience, cancellationToken), cancellationToken);
        }

        await image.RunAsync(ReencryptionMode.Reencrypt, [passphrase, .. newPassphrases], progress, cancellationToken);
    }

    internal static async Task ResumeAsync(
        ReencryptedImage image, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await Qcow2Conversion.FindAsync(image, cancellationToken) is { } qcow2)
        {
            await qcow2.GoOnAsync(expected: null, passphrases, progress, cancellationToken);
            return;
        }

        await image.UndoPreparedAsync(cancellationToken);
        if (!await image.IsUnfinishedAsync(cancellationToken))
        {
            throw new RefusedException(ErrorIds.Luks2NotReencrypting, $"Nothing is unfinished of the image {image.Options.Location}.");
        }

        await image.RunAsync(expected: null, passphrases, progress, cancellationToken);
    }

    /// <summary>Refuses what could not be converted, before anything is touched. Nothing of the image is under way.</summary>
    /// <param name="image">With its header in front.</param>
    /// <param name="mode">What is to be done.</param>
    /// <param name="passphrase">Opens the old key; borrowed. Null for a plain disk.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal static async ValueTask CheckAsync(ReencryptedImage image, ReencryptionMode mode, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        if (mode == ReencryptionMode.Encrypt)
        {
            _ = await PlanProtectionAsync(image, cancellationToken);
            return;
        }

        LuksHeader header = await image.OpenLuksAsync(cancellationToken);
        Unlocked unlocked = await header.UnlockAsync(passphrase!, slot: null, cancellationToken);
        unlocked.Key.Dispose();
        if (mode == ReencryptionMode.Reencrypt)
        {
            await PlanUpdateAsync(image, header, unlocked.Slot, passphrase!, cancellationToken);
        }
    }

    private static async Task BeginProtectionAsync(ReencryptedImage image, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        ReencryptionOptions options = image.Options;
        LuksFormatOptions luks = await PlanProtectionAsync(image, cancellationToken);
        string[] flags = FlagsFor(options.Version ?? LuksVersion.Luks2, image);
        await (options.HeaderPath is not null
            ? image.CreateHeaderAsync(luks, passphrase, flags, options.Resilience, cancellationToken)
            : HeaderInFront.BeginAsync(image.Data, image.Shelf, luks, passphrase, flags, !options.ReduceSize, cancellationToken));
    }

    /// <summary>The header to make for a plain disk that can have one.</summary>
    private static async ValueTask<LuksFormatOptions> PlanProtectionAsync(ReencryptedImage image, CancellationToken cancellationToken)
    {
        ReencryptionOptions options = image.Options;
        await image.RequireConvertibleAsync(cancellationToken);
        if (image.HasDetachedHeader || await FormatProbe.RecogniseAsync(image.Data, cancellationToken) == ImageFormat.Luks)
        {
            throw new RefusedException(ErrorIds.AlreadyEncrypted, $"The image {options.Location} is encrypted already; Update-ImageKey gives it another key.");
        }

        LuksVersion version = options.Version ?? LuksVersion.Luks2;
        LuksFormatOptions luks = ByLuks2(options.Encryption with { Version = version }, image.Data.Length % 4096 == 0 ? 4096 : 512);
        if (image.Data.Length % luks.PayloadSectorSize != 0 || image.Data.Length == 0)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"The image {options.Location} has {image.Data.Length} bytes, which are not whole sectors of {luks.PayloadSectorSize}.");
        }

        bool grows = !options.ReduceSize;
        if (options.HeaderPath is null && ((grows && !image.CanHave(image.Data.Length + (2 * luks.HeaderLength))) || (!grows && image.Data.Length <= 2 * luks.HeaderLength)))
        {
            throw new RefusedException(ErrorIds.NoRoomForHeader,
                $"The image {options.Location} of {image.Data.Length} bytes has no room for a header of {luks.HeaderLength}: let its last {2 * luks.HeaderLength} bytes be given up, or name a detached header.");
        }

        return luks;
    }

    /// <summary>The encryption that a disk gets whose header is <paramref name="header"/>.</summary>
    private static async ValueTask<LuksFormatOptions> PlanUpdateAsync(
        ReencryptedImage image, LuksHeader header, int slot, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        ReencryptionOptions options = image.Options;
        if (!options.DropOtherSlots)
        {
            await Passphrases.RequireNoOthersAsync(header, slot, passphrase, cancellationToken);
        }

        LuksFormatOptions target = ByLuks2(options.Encryption with { Version = options.Version ?? header.Version }, header.Payload.SectorSize);
        target.RequireKey();
        image.RequireWholeSectors(header, target.PayloadSectorSize);
        return target;
    }

    // QEMU opens LUKS1 alone: what is refused or cancelled before it begins leaves the header what it was.
    private static async ValueTask BeginByLuks2Async(ReencryptedImage image, LuksHeader header, Func<ValueTask> begin, CancellationToken cancellationToken)
    {
        try
        {
            await image.ToLuks2Async(header, cancellationToken);
            await begin();
        }
        catch when (header.Version == LuksVersion.Luks1)
        {
            await image.TryToLuks1Async();
            throw;
        }
    }

    // LUKS1 has no place for a journal: such a disk has a LUKS2 header meanwhile, of what LUKS1 can have too.
    private static LuksFormatOptions ByLuks2(LuksFormatOptions encryption, int usualSector)
    {
        if (encryption.Version == LuksVersion.Luks2)
        {
            return encryption with { SectorSize = encryption.SectorSize ?? usualSector };
        }

        Luks1FormatRules.Require(encryption);
        return encryption with
        {
            Version = LuksVersion.Luks2,
            SectorSize = 512,
            Cost = PbkdfCost(encryption.Cost),
            KeyslotsSize = Luks1Slots * Luks2Layout.AreaLength(encryption.KeySize),
        };
    }

    private static string[] FlagsFor(LuksVersion version, ReencryptedImage image) =>
        version == LuksVersion.Luks1 ? [Luks2ReencryptHeader.Luks1Flag, .. image.Flags] : image.Flags;

    // Should cryptsetup end it, nobody else says why the header is to become LUKS1.
    private static string[] NewKeyFlagsFor(LuksVersion version, ReencryptedImage image) =>
        version == LuksVersion.Luks1 ? [.. FlagsFor(version, image), Luks2ReencryptHeader.NewKeyFlag] : image.Flags;

    /// <summary>The same time for PBKDF2.</summary>
    internal static KdfCost PbkdfCost(KdfCost cost) => cost.IterTime is { } time ? KdfCost.OfTime(time, KdfKind.Pbkdf2) : cost;
}
