using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Where the LUKS header of an image stands, or would stand if it were not destroyed. Owns what it opened.</summary>
internal sealed class HeaderPlace : IAsyncDisposable
{
    private readonly IAsyncDisposable _content;
    private readonly HeaderLock? _lock;

    private HeaderPlace(IBlockDevice area, LuksPlacement placement, LuksHeader? header, IAsyncDisposable content, HeaderLock? headerLock = null)
    {
        Area = area;
        Placement = placement;
        Header = header;
        _content = content;
        _lock = headerLock;
    }

    public IBlockDevice Area { get; }

    public LuksPlacement Placement { get; }

    /// <summary>Null where none can be read there.</summary>
    public LuksHeader? Header { get; }

    /// <summary>Why there is no <see cref="Header"/>; null also where there is just nothing.</summary>
    public VmCryptException? Damage { get; private init; }

    /// <summary>Opens the image in whatever state its header is.</summary>
    public static async ValueTask<HeaderPlace> OpenAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        options = options with { HeadersOnly = true, HoldHeader = true };
        DiskStack disk;
        try
        {
            disk = await DiskStack.OpenAsync(location, options, cancellationToken);
        }
        catch (VmCryptException damage) when (damage is InvalidImageException or UnsupportedFeatureException)
        {
            return await OpenDamagedAsync(location, options, damage, cancellationToken);
        }

        if (disk.Luks is { } header)
        {
            return new HeaderPlace(disk.Active.LuksArea!, disk.LuksPlacement, header, disk);
        }

        if (disk.Placement == EncryptionPlacement.LegacyAes)
        {
            await disk.DisposeAsync();
            throw DiskStack.NoKeySlots(location, EncryptionPlacement.LegacyAes);
        }

        return disk.Format == ImageFormat.Raw && options.Format is null
            ? await OpenSecondCopyAsync(disk, location, options, cancellationToken)
            : Vacant(disk);
    }

    public async ValueTask DisposeAsync()
    {
        await _content.DisposeAsync();
        _lock?.Dispose();
    }

    // Nothing tells a disk whose header is gone from a plain one: the header would stand at the start of what the guest sees.
    private static HeaderPlace Vacant(DiskStack disk) => new(AlignedDevice.Over(disk.Active.Contents), LuksPlacement.Attached, null, disk);

    // A LUKS2 header whose start is destroyed is not recognised, but its second copy may be there.
    private static async ValueTask<HeaderPlace> OpenSecondCopyAsync(
        DiskStack plain, DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        await plain.DisposeAsync();
        try
        {
            DiskStack disk = await DiskStack.OpenAsync(location, options with { Format = ImageFormat.Luks }, cancellationToken);
            return new HeaderPlace(disk.Active.LuksArea!, LuksPlacement.Attached, disk.Luks, disk);
        }
        catch (VmCryptException nothing) when (nothing is InvalidImageException or UnsupportedFeatureException)
        {
            return Vacant(await DiskStack.OpenAsync(location, options with { Format = ImageFormat.Raw }, cancellationToken));
        }
    }

    private static async ValueTask<HeaderPlace> OpenDamagedAsync(
        DiskLocation location, DiskOpenOptions options, VmCryptException damage, CancellationToken cancellationToken)
    {
        DiskLocation holder = options.HeaderPath is { } path ? DiskLocation.Parse(path) : location;
        HeaderLock? headerLock = holder.IsNbd ? null : await HeaderLock.TakeAsync(holder.Text, options.Writable, cancellationToken);
        IAsyncDisposable? opened = null;
        try
        {
            IBlockDevice storage = await StorageOpener.OpenAsync(holder, options.Writable, options.ForceShare, cancellationToken);
            opened = storage;
            if (options.HeaderPath is not null)
            {
                return new HeaderPlace(storage, LuksPlacement.Detached, null, storage, headerLock) { Damage = damage };
            }

            ImageFormat format = options.Format ?? await FormatProbe.RecogniseAsync(storage, cancellationToken);
            if (format is ImageFormat.Raw or ImageFormat.Luks)
            {
                return new HeaderPlace(storage, LuksPlacement.Attached, null, storage, headerLock) { Damage = damage };
            }

            // Where the container itself is damaged, or another than these, nothing in it is overwritten.
            Qcow2Image qcow2 = format == ImageFormat.Qcow2
                ? await Qcow2Image.OpenAsync(storage, new Qcow2OpenOptions { Writable = storage.Traits.CanWrite }, cancellationToken)
                : throw damage;
            opened = qcow2;
            return qcow2.OpenEncryptionHeader() is { } area
                ? new HeaderPlace(area, LuksPlacement.Embedded, null, qcow2, headerLock) { Damage = damage }
                : new HeaderPlace(AlignedDevice.Over(qcow2), LuksPlacement.Attached, null, qcow2, headerLock) { Damage = damage };
        }
        catch
        {
            await (opened?.DisposeAsync() ?? ValueTask.CompletedTask);
            headerLock?.Dispose();
            throw;
        }
    }
}
