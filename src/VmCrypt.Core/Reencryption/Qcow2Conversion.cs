using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks1;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Encrypts, decrypts and re-encrypts the clusters of a qcow2 file where they lie; snapshots go with them, whose clusters they share.</summary>
/// <remarks>
/// <see cref="Qcow2Preparation"/> begins, <see cref="PayloadReencryption"/> converts. Then, each step repeated after a crash: (1) the journal
/// says that all is converted; (2) what was left of the old bytes and the old key is overwritten, flush; (3) journal and old LUKS header are
/// free by the refcounts, flush, and where asked for everything else that is free is overwritten; (4) all of the new header but its first
/// sector, flush; (5) that sector, flush: an ordinary image. (6) The file is cut behind its last cluster. Until (5) journal and old LUKS
/// header are read again after a crash, so that (3) leaves them alone: (2) has overwritten what was secret in them. Who uses the disk
/// meanwhile waits from (3) to (6), see <see cref="LiveQcow2"/>.
/// </remarks>
internal sealed class Qcow2Conversion(ReencryptionOptions options, IBlockDevice file, LiveDisk? live = null)
{
    /// <summary>The conversion of a file that begins as qcow2, which does not mean that it can be converted; null for any other.</summary>
    /// <remarks>What a guest's disk begins with does not matter: in a container, or while a header beside tells of its conversion.</remarks>
    public static async ValueTask<Qcow2Conversion?> FindAsync(ReencryptedImage image, CancellationToken cancellationToken) =>
        image.Options.HeaderPath is null && image.Container is null && !image.Shelf.Has(HeaderStage.Active)
        && await FormatProbe.RecogniseAsync(image.Data, cancellationToken) == ImageFormat.Qcow2
            ? new Qcow2Conversion(image.Options, image.Data, image.Live)
            : null;

    /// <summary>How zones are protected by a record of at most <paramref name="capacity"/> bytes.</summary>
    public static ZoneProtection ProtectionOf(ReencryptionResilience resilience, long capacity) =>
        new(resilience, HashKind.Sha256, Qcow2ZonePlan.Sector, capacity);

    /// <summary>Refuses what could not be converted, before anything is touched. Nothing of the file is under way.</summary>
    /// <param name="mode">What is to be done.</param>
    /// <param name="passphrase">Opens the old key; borrowed. Null for a plain disk.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async ValueTask CheckAsync(ReencryptionMode mode, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        if (mode != ReencryptionMode.Decrypt)
        {
            _ = TargetOf(options.Version ?? LuksVersion.Luks1);
        }

        await (mode switch
        {
            ReencryptionMode.Encrypt => RequirePlainAsync(cancellationToken),
            ReencryptionMode.Reencrypt => RequireSlotsAsync(passphrase!, cancellationToken),
            _ => ValueTask.CompletedTask,
        });
        (await new Qcow2Preparation(options, file, live is not null).CheckAsync(mode, passphrase, cancellationToken))?.Dispose();
    }

    public async Task ProtectAsync(SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await ConversionPointer.FindAsync(file, cancellationToken) is null)
        {
            LuksFormatOptions target = TargetOf(options.Version ?? LuksVersion.Luks1);
            await RequirePlainAsync(cancellationToken);
            await new Qcow2Preparation(options, file, live is not null).RunAsync(ReencryptionMode.Encrypt, null, target, [passphrase], cancellationToken);
        }

        await GoOnAsync(ReencryptionMode.Encrypt, [passphrase], progress, cancellationToken);
    }

    public async Task UnprotectAsync(SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await ConversionPointer.FindAsync(file, cancellationToken) is null)
        {
            await new Qcow2Preparation(options, file, live is not null).RunAsync(ReencryptionMode.Decrypt, passphrase, null, [], cancellationToken);
        }

        await GoOnAsync(ReencryptionMode.Decrypt, [passphrase], progress, cancellationToken);
    }

    public async Task UpdateKeyAsync(
        SecretBuffer passphrase, IReadOnlyList<SecretBuffer> newPassphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (await ConversionPointer.FindAsync(file, cancellationToken) is null)
        {
            LuksFormatOptions target = TargetOf(options.Version ?? LuksVersion.Luks1);
            await RequireSlotsAsync(passphrase, cancellationToken);
            await new Qcow2Preparation(options, file, live is not null).RunAsync(ReencryptionMode.Reencrypt, passphrase, target, newPassphrases, cancellationToken);
        }

        await GoOnAsync(ReencryptionMode.Reencrypt, [passphrase, .. newPassphrases], progress, cancellationToken);
    }

    /// <summary>Goes on from wherever the journal says, to the end.</summary>
    /// <param name="expected">What is asked for; null for whatever is under way.</param>
    /// <param name="passphrases">Of both keys; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Luks2NotReencrypting"/>, <see cref="ErrorIds.OtherReencryptionUnfinished"/>.</exception>
    public async Task GoOnAsync(
        ReencryptionMode? expected, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        ConversionPointer place = await ConversionPointer.FindAsync(file, cancellationToken)
            ?? throw new RefusedException(ErrorIds.Luks2NotReencrypting, $"Nothing is unfinished of the image {options.Location}.");
        ConversionJournal journal = await ConversionJournal.OpenAsync(file, place, cancellationToken);
        var mode = (ReencryptionMode)journal.State.Mode;
        ReencryptedImage.RequireExpected(expected, mode, options.Location);
        (byte[] before, byte[] after) = await journal.ReadHeadersAsync(cancellationToken);
        if (journal.State.IsFinished)
        {
            await DestroyOldAsync(journal, cancellationToken);
            await FinishAsync(journal, after, cancellationToken);
            return;
        }

        using Qcow2Keys keys = await Qcow2Keys.UnlockAsync(file, journal.State, passphrases, cancellationToken);
        LiveQcow2? guest = live is null ? null : new LiveQcow2(options, file);
        await ConvertAsync(journal, before, keys, guest, progress, cancellationToken);
        await DestroyOldAsync(journal, cancellationToken);
        await (guest?.SwitchAsync(() => FinishAsync(journal, after, CancellationToken.None), keys.CreateCipherAfter)
            ?? FinishAsync(journal, after, cancellationToken));
    }

    private async ValueTask ConvertAsync(
        ConversionJournal journal, byte[] header, Qcow2Keys keys, LiveQcow2? guest, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        ZoneProtection protection = ProtectionOf((ReencryptionResilience)journal.State.Resilience, journal.RecordCapacity);
        Qcow2Journal zones = await Qcow2Journal.OpenAsync(file, journal, keys, protection, cancellationToken);
        var view = new HeaderViewDevice(file, header);
        bool decrypts = zones.Plan.Mode == ReencryptionMode.Decrypt;
        GuestClusters clusters = await GuestClusters.FindAsync(
            view, await Qcow2Metadata.ReadAsync(view, cancellationToken), allowCompressed: decrypts, cancellationToken);
        var map = new ZoneMap(file, zones.Plan, options.LeaveHoles,
            zone => clusters.Within(zone.Offset, zone.Length).Select(run => new PayloadZone(run.Offset, run.Length)));
        var payload = new PayloadReencryption.Payload(journal.State.End, map, keys.CreateCipher(), protection);
        ZoneGate? gate = guest is null ? null : await live!.AttachAsync(
            opened => guest.OpenAsync(header, zones.Plan, journal.State.End, keys.CreateCipher(), opened, cancellationToken));
        using var run = new PayloadReencryption(file, zones, payload, options.ZoneLength, gate);
        await run.RunAsync(progress, cancellationToken);
    }

    private async ValueTask DestroyOldAsync(ConversionJournal journal, CancellationToken cancellationToken)
    {
        await LuksEraser.OverwriteOnceAsync(file, journal.RecordOffset, journal.RecordCapacity, cancellationToken);
        if (journal.State.Before is { } old)
        {
            await (await LuksHeader.OpenAsync(Qcow2Keys.AreaOf(file, old), Qcow2Keys.Embedded, cancellationToken)).EraseAsync(cancellationToken);
        }
    }

    private async Task FinishAsync(ConversionJournal journal, byte[] header, CancellationToken cancellationToken)
    {
        var view = new HeaderViewDevice(file, header);
        await using (Qcow2Image image = await Qcow2Image.OpenAsync(view, new Qcow2OpenOptions { Writable = true }, cancellationToken))
        {
            await image.ReclaimAsync(cancellationToken);
        }

        if (options.WipeFreed)
        {
            await WipeFreedAsync(view, journal, cancellationToken);
        }

        await SwitchAsync(view.Header);
        await CutAsync(cancellationToken);
    }

    private async ValueTask WipeFreedAsync(HeaderViewDevice view, ConversionJournal journal, CancellationToken cancellationToken)
    {
        GuestClusters clusters = await GuestClusters.FindAsync(
            view, await Qcow2Metadata.ReadAsync(view, cancellationToken), allowCompressed: true, cancellationToken);
        Qcow2EncryptionHeader old = journal.State.Before ?? default;
        foreach ((long offset, long length) in clusters.Unused(file.Length, (journal.Place.Offset, journal.Place.Length), (old.Offset, old.Length)))
        {
            await FreedRoom.OverwriteAsync(file, offset, length, cancellationToken);
        }
    }

    private async ValueTask SwitchAsync(byte[] header)
    {
        if (header.Length > ConversionPointer.SectorSize)
        {
            await file.WriteAsync(ConversionPointer.SectorSize, header.AsMemory(ConversionPointer.SectorSize), CancellationToken.None);
            await file.FlushAsync(CancellationToken.None);
        }

        await file.WriteAsync(0, header.AsMemory(0, ConversionPointer.SectorSize), CancellationToken.None);
        await file.FlushAsync(CancellationToken.None);
    }

    private async ValueTask CutAsync(CancellationToken cancellationToken)
    {
        var metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        GuestClusters clusters = await GuestClusters.FindAsync(file, metadata, allowCompressed: true, cancellationToken);
        if (file.Traits.CanResize && file.Length > clusters.UsedEnd)
        {
            await file.SetLengthAsync(clusters.UsedEnd, cancellationToken);
            await file.FlushAsync(cancellationToken);
        }
    }

    private LuksFormatOptions TargetOf(LuksVersion version)
    {
        if (version != LuksVersion.Luks1)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported, $"Inside qcow2 there is only LUKS1, not {version}.");
        }

        LuksFormatOptions target = options.Encryption with { Version = version, Placement = LuksPlacement.Embedded };
        Luks1FormatRules.Require(target);
        return target;
    }

    private async ValueTask RequirePlainAsync(CancellationToken cancellationToken)
    {
        await using Qcow2Image image = await Qcow2Image.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions(), cancellationToken);
        if (image.Facts.CryptMethod != Qcow2CryptMethod.None || await HoldsLuksAsync(image, cancellationToken))
        {
            throw new RefusedException(ErrorIds.AlreadyEncrypted, $"The image {options.Location} is encrypted already; Update-ImageKey gives it another key.");
        }
    }

    // LUKS over qcow2: a second layer below it would help nobody.
    private static async ValueTask<bool> HoldsLuksAsync(Qcow2Image image, CancellationToken cancellationToken)
    {
        int length = (int)Math.Min(FormatProbe.MagicLength, image.Length);
        await foreach (Qcow2Mapping mapping in image.MapAsync(0, length, cancellationToken))
        {
            if (mapping.Kind is Qcow2MappingKind.Data or Qcow2MappingKind.Compressed && !image.Facts.HasDataFile)
            {
                byte[] start = new byte[length];
                await image.ReadAsync(0, start, cancellationToken);
                return FormatProbe.Recognise(start) == ImageFormat.Luks;
            }
        }

        return false;
    }

    private async ValueTask RequireSlotsAsync(SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        if (!options.DropOtherSlots && (await Qcow2Metadata.ReadAsync(file, cancellationToken)).Extensions.EncryptionHeader is { } place)
        {
            LuksHeader header = await LuksHeader.OpenAsync(Qcow2Keys.AreaOf(file, place), Qcow2Keys.Embedded, cancellationToken);
            Unlocked unlocked = await header.UnlockAsync(passphrase, slot: null, cancellationToken);
            unlocked.Key.Dispose();
            await Passphrases.RequireNoOthersAsync(header, unlocked.Slot, passphrase, cancellationToken);
        }
    }
}
