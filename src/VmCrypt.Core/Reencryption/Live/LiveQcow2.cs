using System.Diagnostics.CodeAnalysis;
using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>The disk of a qcow2 file for who uses it while the clusters are converted.</summary>
/// <remarks>
/// <para>IVs count the sectors of the file, so that the key of a byte follows from its place there: new where the journal on the medium calls
/// the zone done, and behind the end that it has recorded; old elsewhere.</para>
/// <para>Whatever the guest makes the file take, data and tables, goes behind that end, and no place before it is given out again until the
/// conversion is over: so what a zone was found to hold stays guest data or becomes nothing, and who goes on after a crash finds by the tables
/// alone what is left to be converted. Tables are changed where they lie; no zone rewrites them. The header stays as the journal has it.</para>
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "Who opens the disk owns it.")]
internal sealed class LiveQcow2(ReencryptionOptions options, IBlockDevice file)
{
    // For a LUKS header and the journal.
    private const long OwnRoom = 16 << 20;

    private SwitchedDevice? _disk;

    /// <summary>By how much the file may grow while the disk is in use: every cluster of it can find a new place, and tables theirs.</summary>
    public static long GrowthOf(long virtualSize) => (2 * Math.Min(virtualSize, Qcow2Limits.MaxHostOffset)) + OwnRoom;

    /// <summary>Refuses what cannot be served, or not be finished while it is.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LiveConversionUnsupported"/>.</exception>
    public void Require(Qcow2Metadata metadata)
    {
        string? obstacle = metadata.Backing is not null ? "has a backing file"
            : options.WipeFreed ? "is to have its free room overwritten, for which its guest would have to wait"
            : null;
        if (obstacle is not null)
        {
            throw Unsupported(obstacle);
        }
    }

    /// <summary>Opens the disk as it is, converted in part.</summary>
    /// <param name="header">The header cluster as it was.</param>
    /// <param name="plan">That of the conversion.</param>
    /// <param name="end">Of the places that it converts.</param>
    /// <param name="cipher">Taken.</param>
    /// <param name="gate">That of the conversion.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LiveConversionUnsupported"/>.</exception>
    public async ValueTask<IBlockDevice> OpenAsync(
        byte[] header, IZonePlan plan, long end, PayloadCipher cipher, ZoneGate gate, CancellationToken cancellationToken)
    {
        gate.AddNew(new PayloadZone(end, Qcow2Limits.MaxHostOffset - end));
        var clusters = new LivePayload(file, plan, Qcow2Limits.MaxHostOffset, cipher, gate);
        try
        {
            var view = new HeaderViewDevice(file, header);
            var metadata = await Qcow2Metadata.ReadAsync(view, cancellationToken);
            Require(metadata);
            RequireRoom(metadata, end);
            Qcow2Image image = await Qcow2Image.OpenAsync(view, new Qcow2OpenOptions { Writable = true, ConvertedEnd = end }, cancellationToken);
            image.AttachClusters(clusters);
            _disk = new SwitchedDevice(image);
            return AlignedDevice.Over(_disk);
        }
        catch
        {
            await clusters.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the conversion while requests wait, and goes on with the ordinary image that comes of it.</summary>
    /// <param name="finish">Makes it one.</param>
    /// <param name="cipher">Creates that of the new key; gives null for a plain disk.</param>
    public Task SwitchAsync(Func<Task> finish, Func<SectorCipher?> cipher) => _disk!.SwitchAsync(async () =>
    {
        await finish();
        Qcow2Image image = await Qcow2Image.OpenAsync(
            SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = true }, CancellationToken.None);
        if (cipher() is { } encryption)
        {
            image.AttachCipher(encryption);
        }

        return image;
    });

    // Where a conversion was begun to be served, the table has been made large enough.
    private void RequireRoom(Qcow2Metadata metadata, long end)
    {
        Qcow2Geometry geometry = metadata.Geometry;
        long blocks = metadata.Header.RefcountTableClusters * (long)(geometry.ClusterSize / sizeof(ulong));
        if (blocks * geometry.RefcountsPerBlock < geometry.ClusterCount(end + GrowthOf((long)metadata.Header.VirtualSize)))
        {
            throw Unsupported("has a refcount table that may become too small, and that cannot move while the conversion, which was begun without a server, is under way");
        }
    }

    private UnsupportedFeatureException Unsupported(string why) => new(ErrorIds.LiveConversionUnsupported,
        $"The qcow2 image {options.Location} cannot be served while it is converted: it {why}; convert it without a server.");
}
