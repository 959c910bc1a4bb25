using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Core.Reencryption;

/// <summary>Brings a qcow2 file to where its clusters can be converted.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves. (1) Compressed clusters, which stay plain even in encrypted images, are unpacked as a write
/// of the guest would do: the same disk. (2) What an earlier attempt left is given back; where the disk is used meanwhile, the refcount table
/// gets the room that this may need; places for the new LUKS header and the journal are allocated, flush: leaked clusters. (3) Header and journal are written there, flush: the same. (4) The first sector says that the
/// conversion is under way, flush: nobody opens the file any more, and the journal knows the rest.
/// </remarks>
internal sealed class Qcow2Preparation(ReencryptionOptions options, IBlockDevice file, bool serves = false)
{
    private const long RecordLength = 2 << 20;

    /// <param name="mode">What is to be done.</param>
    /// <param name="current">Opens the old key; borrowed. Null for a plain disk.</param>
    /// <param name="target">The encryption to come; null for a plain disk.</param>
    /// <param name="passphrases">Of the new key, one slot each; borrowed.</param>
    /// <param name="cancellationToken">Cancels before (4).</param>
    public async ValueTask RunAsync(
        ReencryptionMode mode, SecretBuffer? current, LuksFormatOptions? target, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        using VolumeKey? before = await CheckAsync(mode, current, cancellationToken);
        byte[] sector;
        try
        {
            (long header, ConversionPointer journal) = await AllocateAsync(mode, before, target, cancellationToken);
            sector = await WriteAsync(mode, before, header, journal, target, passphrases, cancellationToken);
        }
        catch
        {
            await GiveBackAsync();
            throw;
        }

        await file.WriteAsync(0, sector, CancellationToken.None);
        await file.FlushAsync(CancellationToken.None);
    }

    /// <summary>Refuses what cannot be converted, and opens the old key, which is the caller's; null of a plain disk.</summary>
    public async ValueTask<VolumeKey?> CheckAsync(ReencryptionMode mode, SecretBuffer? current, CancellationToken cancellationToken)
    {
        var metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        RequireConvertible(metadata.ToFacts());
        if (serves)
        {
            new LiveQcow2(options, file).Require(metadata);
        }

        // Of a snapshot they cannot be unpacked: it is not written to.
        bool allowCompressed = mode == ReencryptionMode.Decrypt || metadata.Snapshots.Count == 0;
        await GuestClusters.FindAsync(file, metadata, allowCompressed, cancellationToken);
        return current is null ? null : await OpenAsync(current, cancellationToken);
    }

    /// <summary>The key of an encrypted image, which is the caller's.</summary>
    public async ValueTask<VolumeKey> OpenAsync(SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        Qcow2EncryptionHeader place = (await Qcow2Metadata.ReadAsync(file, cancellationToken)).Extensions.EncryptionHeader
            ?? throw new InvalidInputException(ErrorIds.NotEncrypted, $"The image {options.Location} is not encrypted.");
        LuksHeader header = await LuksHeader.OpenAsync(Qcow2Keys.AreaOf(file, place), Qcow2Keys.Embedded, cancellationToken);
        return (await header.UnlockAsync(passphrase, slot: null, cancellationToken)).Key;
    }

    /// <summary>The step (3).</summary>
    /// <returns>The sector of the step (4).</returns>
    private async ValueTask<byte[]> WriteAsync(
        ReencryptionMode mode, VolumeKey? before, long headerOffset, ConversionPointer journal, LuksFormatOptions? target,
        IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        var metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        Qcow2EncryptionHeader? area = target is null ? null : new Qcow2EncryptionHeader(headerOffset, target.HeaderLength);
        byte[] old = await HeaderCluster.ReadAsync(file, metadata.Geometry, cancellationToken);
        byte[] changed = HeaderCluster.WithEncryption(old, area);
        GuestClusters clusters = await GuestClusters.FindAsync(file, metadata, mode == ReencryptionMode.Decrypt, cancellationToken);
        using VolumeKey? after = area is { } place ? await FormatAsync(place, metadata.Geometry, target!, passphrases, cancellationToken) : null;
        ConversionState state = Qcow2Keys.Seal(before, after, new ConversionState
        {
            Mode = (byte)mode,
            Resilience = (byte)options.Resilience,
            End = Math.Min(clusters.UsedEnd, file.Length),
            Before = metadata.Extensions.EncryptionHeader,
            After = area,
            HeadersHash = ConversionJournal.HashOf(old, changed),
        });
        await ConversionJournal.CreateAsync(file, journal, old, changed, state, cancellationToken);
        return journal.EncodeSector(metadata.Header);
    }

    private void RequireConvertible(Qcow2Facts facts)
    {
        string? obstacle = facts switch
        {
            { Version: < 3 } => "is of version 2 (compat=0.10), which has no bit that keeps others away meanwhile; 'qemu-img amend -o compat=1.1' makes it version 3",
            { HasDataFile: true } => "keeps its data in another file",
            { IsCorrupt: true } => "is marked as corrupt; repair it with 'qemu-img check -r all'",
            { CryptMethod: Qcow2CryptMethod.Aes } => "has the legacy AES encryption; Convert-Image makes a copy with LUKS",
            _ => null,
        };
        if (obstacle is not null)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported, $"The qcow2 image {options.Location} cannot be converted in its place: it {obstacle}.");
        }
    }

    /// <summary>The steps (1) and (2).</summary>
    private async ValueTask<(long Header, ConversionPointer Journal)> AllocateAsync(
        ReencryptionMode mode, VolumeKey? key, LuksFormatOptions? target, CancellationToken cancellationToken)
    {
        await using Qcow2Image image = await Qcow2Image.OpenAsync(
            SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = true }, cancellationToken);
        if (key is not null)
        {
            image.AttachCipher(key.CreateCipher());
        }

        if (mode != ReencryptionMode.Decrypt)
        {
            await CompressedClusterUnpacker.RunAsync(image, cancellationToken);
        }

        await image.ReclaimAsync(cancellationToken);
        if (serves)
        {
            await image.WidenRefcountsAsync(LiveQcow2.GrowthOf(image.Length), cancellationToken);
        }

        int clusterSize = image.Facts.ClusterSize;
        // A small image has small zones.
        long zone = Math.Min(options.ZoneLength, (file.Length + clusterSize - 1) & -(long)clusterSize);
        long record = Math.Min(RecordLength, Qcow2Conversion.ProtectionOf(options.Resilience, long.MaxValue).RecordLength(zone));
        long length = (ConversionJournal.LengthFor(clusterSize, record) + clusterSize - 1) & -(long)clusterSize;
        long header = target is null ? 0 : await image.ReserveAsync(target.HeaderLength, cancellationToken);
        var journal = new ConversionPointer(await image.ReserveAsync(length, cancellationToken), length);
        await image.FlushAsync(cancellationToken);
        return (header, journal);
    }

    private async ValueTask<VolumeKey> FormatAsync(
        Qcow2EncryptionHeader place, Qcow2Geometry geometry, LuksFormatOptions target, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        await file.ZeroAsync(place.Offset, geometry.ClusterCount(place.Length) << geometry.ClusterBits, ZeroFlags.None, cancellationToken);
        (LuksHeader header, VolumeKey key) = await LuksHeader.FormatAsync(Qcow2Keys.AreaOf(file, place), target, passphrases[0], cancellationToken);
        try
        {
            foreach (SecretBuffer passphrase in passphrases.Skip(1))
            {
                await header.AddSlotAsync(key, passphrase, slot: null, target.Cost, cancellationToken);
            }

            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    // Who cannot do it leaves it to the next attempt.
    private async ValueTask GiveBackAsync()
    {
        try
        {
            await using Qcow2Image image = await Qcow2Image.OpenAsync(
                SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = true }, CancellationToken.None);
            await image.ReclaimAsync(CancellationToken.None);
        }
        catch (VmCryptException)
        {
        }
    }
}
