using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>One image of a disk: storage, container, encryption, and the image that backs it. Owns them all.</summary>
internal sealed class StackImage : IAsyncDisposable
{
    // The key of the legacy scheme is the start of the passphrase itself.
    private const int LegacyKeySize = 16;

    private IBlockDevice? _plain;
    private IBlockDevice? _payload;
    private IBlockDevice? _snapshot;
    private bool _backingAttached;

    public required DiskLocation Location { get; init; }

    /// <summary>The file, block device or NBD export; for a LUKS payload that is an image, the unlocked payload.</summary>
    public required IBlockDevice Storage { get; init; }

    public required ImageFormat Format { get; init; }

    /// <summary>The format was guessed from the content, nobody named it.</summary>
    public bool IsProbed { get; init; }

    public Qcow2Image? Qcow2 { get; init; }

    public QcowImage? Qcow { get; init; }

    /// <summary>VHDX or VHD.</summary>
    public IVirtualDisk? VirtualDisk { get; init; }

    /// <summary>Id or name of the internal snapshot to show in the place of the disk as it is now.</summary>
    public string? Snapshot { get; init; }

    public StackImage? Backing { get; set; }

    public EncryptionPlacement Placement { get; private set; }

    /// <summary>The LUKS header; null for plain and legacy images.</summary>
    public LuksHeader? Luks { get; private set; }

    /// <summary>The device that stores <see cref="Luks"/>; owned where the header is detached.</summary>
    public IBlockDevice? LuksArea { get; private set; }

    /// <summary>Opens the image in the LUKS payload; null where the payload is the disk itself.</summary>
    public Func<IBlockDevice, CancellationToken, ValueTask<StackImage>>? OpenPayload { get; init; }

    /// <summary>The image inside of the LUKS payload, once it is unlocked.</summary>
    public StackImage? Payload { get; private set; }

    /// <summary>The bytes before any encryption over the container is undone.</summary>
    public IBlockDevice Contents => (IBlockDevice?)Qcow2 ?? (IBlockDevice?)Qcow ?? VirtualDisk ?? Storage;

    public bool IsLocked => Placement != EncryptionPlacement.None && _plain is null;

    /// <summary>Bytes of the plain disk (of the LUKS payload, where that is an image of its own); known without a key.</summary>
    public long DiskSize => Luks?.Payload.Length ?? Math.Max(0, Contents.Length - PayloadOffset);

    /// <summary>Bytes of <see cref="Contents"/> before the payload; inside a container the header's offset means nothing.</summary>
    public long PayloadOffset =>
        Placement is EncryptionPlacement.Attached or EncryptionPlacement.Over or EncryptionPlacement.Detached ? Luks!.Payload.Offset : 0;

    /// <summary>This image and those behind it, the active one first.</summary>
    public IEnumerable<StackImage> Chain()
    {
        for (StackImage? image = this; image is not null; image = image.Backing)
        {
            yield return image;
        }
    }

    /// <summary>Says that the image is encrypted under <paramref name="header"/>, which lies in <paramref name="area"/>.</summary>
    public void Encrypted(EncryptionPlacement placement, LuksHeader? header, IBlockDevice? area)
    {
        Placement = placement;
        Luks = header;
        LuksArea = area;
    }

    /// <summary>Unlocks and joins the layers, from the bottom up, and returns the plain disk, which this image owns.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public async ValueTask<IBlockDevice> ComposeAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (_plain is null)
        {
            await AttachBackingAsync(keys, cancellationToken);
            _plain = Placement switch
            {
                EncryptionPlacement.None => await PlainAsync(cancellationToken),
                EncryptionPlacement.LegacyAes => await WithCipherAsync(LegacyCipher(SecretFrom(keys)), cancellationToken),
                EncryptionPlacement.Inside => await InsideAsync(keys, cancellationToken),
                _ => await OverAsync(keys, cancellationToken),
            };
        }

        return _plain;
    }

    /// <summary>The container's guest view with its backing chain joined, before any encryption over it is undone.</summary>
    public async ValueTask<IBlockDevice> ContentsAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        await AttachBackingAsync(keys, cancellationToken);
        return Contents;
    }

    /// <summary>The cipher of an encrypted image's data; the caller disposes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>, but never for the legacy scheme, which takes any.</exception>
    public async ValueTask<ImageCipher> OpenCipherAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (Placement == EncryptionPlacement.LegacyAes)
        {
            return new ImageCipher(LegacyCipher(SecretFrom(keys)), 0, null);
        }

        (VolumeKey key, int? slot) = await UnlockAsync(keys, cancellationToken);
        using (key)
        {
            return new ImageCipher(key.CreateCipher(), key.Payload.IvOffset, slot);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await (Payload?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_payload?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_snapshot?.DisposeAsync() ?? ValueTask.CompletedTask);
        await Contents.DisposeAsync();
        await (Backing?.DisposeAsync() ?? ValueTask.CompletedTask);
        if (Placement == EncryptionPlacement.Detached)
        {
            await LuksArea!.DisposeAsync();
        }
    }

    private async ValueTask AttachBackingAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (Backing is null || _backingAttached)
        {
            return;
        }

        // A container owns what is attached to it, but this image owns all of its parts alike.
        // The layers of a virtual disk make one guest's view, which is then encrypted, or not, as a whole.
        IBlockDevice backing = VirtualDisk is null
            ? await Backing.ComposeAsync(keys.Behind(), cancellationToken)
            : AlignedDevice.Over(await Backing.ContentsAsync(keys.Behind(), cancellationToken));
        var borrowed = SubDevice.Tail(backing, 0, ownsInner: false);
        Qcow2?.AttachBacking(borrowed);
        Qcow?.AttachBacking(borrowed);
        VirtualDisk?.AttachParent(borrowed);
        _backingAttached = true;
    }

    private async ValueTask<IBlockDevice> ViewAsync(CancellationToken cancellationToken) => AlignedDevice.Over(
        Snapshot is null ? Contents : _snapshot ??= await Qcow2!.OpenSnapshotAsync(Snapshot, cancellationToken));

    private async ValueTask<IBlockDevice> PlainAsync(CancellationToken cancellationToken)
    {
        IBlockDevice device = await ViewAsync(cancellationToken);
        return Format == ImageFormat.Raw && IsProbed && device.Traits.CanWrite ? new ProbedRawDevice(device) : device;
    }

    private async ValueTask<IBlockDevice> InsideAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        ImageCipher opened = await OpenCipherAsync(keys, cancellationToken);
        return await WithCipherAsync(opened.Cipher, cancellationToken);
    }

    private async ValueTask<IBlockDevice> OverAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        (VolumeKey key, _) = await UnlockAsync(keys, cancellationToken);
        using (key)
        {
            _payload = LuksPayloadDevice.Over(await ViewAsync(cancellationToken), key, ownsContents: false);
        }

        if (OpenPayload is null)
        {
            return _payload;
        }

        Payload = await OpenPayload(SubDevice.Tail(_payload, 0, ownsInner: false), cancellationToken);
        return await Payload.ComposeAsync(keys, cancellationToken);
    }

    private async ValueTask<(VolumeKey Key, int? Slot)> UnlockAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        if (keys.VolumeKey is { } volumeKey)
        {
            return (await Luks!.UnlockWithVolumeKeyAsync(volumeKey, cancellationToken), null);
        }

        Unlocked unlocked = await Luks!.UnlockAsync(SecretFrom(keys), keys.Slot, cancellationToken);
        return (unlocked.Key, unlocked.Slot);
    }

    private ValueTask<IBlockDevice> WithCipherAsync(SectorCipher cipher, CancellationToken cancellationToken)
    {
        Qcow2?.AttachCipher(cipher);
        Qcow?.AttachCipher(cipher);
        return ViewAsync(cancellationToken);
    }

    private SecretBuffer SecretFrom(DiskKeys keys) => keys.For(Location)
        ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"The image {Location} is encrypted; give its passphrase or key file.");

    private static SectorCipher LegacyCipher(SecretBuffer passphrase)
    {
        using var key = new SecretBuffer(LegacyKeySize);
        passphrase.Span[..Math.Min(LegacyKeySize, passphrase.Length)].CopyTo(key.Span);
        return SectorCipher.Create(new CipherSpec(CipherAlgorithm.Aes, CipherMode.Cbc, IvGenerator.Plain64), key.Span);
    }
}

/// <summary>What decrypts an image's data.</summary>
/// <param name="IvOffset">Added to every sector number, in units of 512 bytes.</param>
/// <param name="Slot">The key slot that gave the key; null where none did.</param>
internal readonly record struct ImageCipher(SectorCipher Cipher, ulong IvOffset, int? Slot);
