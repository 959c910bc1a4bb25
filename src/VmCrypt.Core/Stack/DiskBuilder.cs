using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Raw;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>A disk that was just made: its plain bytes, and whether they are all zero.</summary>
/// <param name="Device">Owns nothing of what it was built on, save its own state; dispose it to flush that.</param>
/// <param name="ReadsAsZeros">False for LUKS in front of a raw payload, whose untouched bytes decrypt to noise.</param>
public sealed record BuiltDisk(IBlockDevice Device, bool ReadsAsZeros);

/// <summary>Makes the layers of a new disk on storage that the caller provides and keeps.</summary>
public static class DiskBuilder
{
    /// <summary>Makes the disk and opens it, plain, for writing.</summary>
    /// <param name="storage">Empty, or to be overwritten.</param>
    /// <param name="header">Where a detached LUKS header goes; null puts it with the image.</param>
    /// <param name="plan">What to make.</param>
    /// <param name="passphrase">Of the first key slot; borrowed. Null for a plain disk.</param>
    /// <param name="cancellationToken">Leaves the storage half made, which is why callers build in a pending file.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>, <see cref="ErrorIds.KeyRequired"/>.</exception>
    public static async ValueTask<BuiltDisk> BuildAsync(
        IBlockDevice storage, IBlockDevice? header, NewDisk plan, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        if (plan.Encryption is not null && passphrase is null)
        {
            throw new InvalidInputException(ErrorIds.KeyRequired, "An encrypted disk needs a passphrase or key file for its first key slot.");
        }

        RequirePlace(plan, header is not null);
        return (plan.Format, plan.Encryption) switch
        {
            (ImageFormat.Raw, null) => await PlainRawAsync(storage, plan, cancellationToken),
            (ImageFormat.Raw, { } luks) => await LuksRawAsync(storage, header, plan, luks, passphrase!, cancellationToken),
            (_, { } luks) when header is null && (plan.Over || plan.IsVirtualDisk) => await LuksOverAsync(storage, plan, luks, passphrase!, cancellationToken),
            (ImageFormat.Qcow2, { } luks) when header is null => await LuksInsideAsync(storage, plan, luks, passphrase!, cancellationToken),
            (ImageFormat.Qcow2 or ImageFormat.Vhdx or ImageFormat.Vhd, var luks) => await ContainerAsync(storage, header, plan, luks, passphrase, cancellationToken),
            _ => throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"Disks of the format {plan.Format} cannot be made; use {ImageFormat.Qcow2}, {ImageFormat.Raw}, {ImageFormat.Vhdx} or {ImageFormat.Vhd}."),
        };
    }

    private static void RequirePlace(NewDisk plan, bool detached)
    {
        if (detached && plan.Encryption is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "A detached header was named for a disk that is not to be encrypted.");
        }

        if (plan.Over && (detached || plan.Encryption is null || plan.Format != ImageFormat.Qcow2))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Only an encrypted qcow2 image without detached header can have its LUKS header over it.");
        }

        if (plan is { Encryption: not null, VirtualDisk.Parent: not null })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "A differencing disk has its parent's encryption; it cannot have one of its own.");
        }

        if (plan is { Format: ImageFormat.Qcow2, Over: false, Encryption.Version: LuksVersion.Luks2 } && !detached)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported,
                "Inside qcow2 there is only LUKS1; make a raw image, detach the header, or put LUKS2 over qcow2, none of which QEMU opens.");
        }
    }

    private static async ValueTask<BuiltDisk> PlainRawAsync(IBlockDevice storage, NewDisk plan, CancellationToken cancellationToken)
    {
        await RawBuilder.CreateAsync(storage, plan.RoundedSize, plan.Preallocation, cancellationToken);
        return new BuiltDisk(Borrow(storage), ReadsAsZeros: true);
    }

    private static async ValueTask<BuiltDisk> LuksRawAsync(
        IBlockDevice storage, IBlockDevice? header, NewDisk plan, LuksFormatOptions luks, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        luks = luks with { Placement = header is null ? LuksPlacement.Attached : LuksPlacement.Detached };
        long headerLength = header is null ? luks.HeaderLength : 0;
        await RawBuilder.CreateAsync(storage, checked(headerLength + plan.RoundedSize), plan.Preallocation, cancellationToken);
        using VolumeKey key = await FormatAsync(header ?? storage, luks, passphrase, cancellationToken);
        return new BuiltDisk(LuksPayloadDevice.Over(AlignedDevice.Over(Borrow(storage)), key, ownsContents: true), ReadsAsZeros: false);
    }

    private static async ValueTask<BuiltDisk> LuksInsideAsync(
        IBlockDevice storage, NewDisk plan, LuksFormatOptions luks, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        luks = luks with { Placement = LuksPlacement.Embedded };
        Qcow2Image image = await CreateQcow2Async(storage, plan, plan.RoundedSize, luks.HeaderLength, cancellationToken);
        (LuksHeader _, VolumeKey key) = await LuksHeader.FormatAsync(image.OpenEncryptionHeader()!, luks, passphrase, cancellationToken);
        using (key)
        {
            image.AttachCipher(key.CreateCipher());
        }

        return new BuiltDisk(AlignedDevice.Over(image), ReadsAsZeros: plan.Qcow2?.BackingPath is null);
    }

    private static async ValueTask<BuiltDisk> LuksOverAsync(
        IBlockDevice storage, NewDisk plan, LuksFormatOptions luks, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        luks = luks with { Placement = LuksPlacement.Attached };
        long size = checked(luks.HeaderLength + plan.RoundedSize);
        IBlockDevice contents = await CreateAsync(storage, plan, size, cancellationToken);
        using VolumeKey key = await FormatAsync(contents, luks, passphrase, cancellationToken);
        return new BuiltDisk(LuksPayloadDevice.Over(contents, key, ownsContents: true), ReadsAsZeros: false);
    }

    // Plain, or with a detached header LUKS over the container: the guest's view is the payload.
    private static async ValueTask<BuiltDisk> ContainerAsync(
        IBlockDevice storage, IBlockDevice? header, NewDisk plan, LuksFormatOptions? luks, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        IBlockDevice contents = await CreateAsync(storage, plan, plan.RoundedSize, cancellationToken);
        if (header is null)
        {
            return new BuiltDisk(contents, ReadsAsZeros: plan.Qcow2?.BackingPath is null && plan.VirtualDisk?.Parent is null);
        }

        luks = luks! with { Placement = LuksPlacement.Detached };
        using VolumeKey key = await FormatAsync(header, luks, passphrase!, cancellationToken);
        return new BuiltDisk(LuksPayloadDevice.Over(contents, key, ownsContents: true), ReadsAsZeros: false);
    }

    /// <summary>The new container as its guest sees it, open for writing.</summary>
    private static async ValueTask<IBlockDevice> CreateAsync(IBlockDevice storage, NewDisk plan, long size, CancellationToken cancellationToken) =>
        AlignedDevice.Over(plan.Format switch
        {
            ImageFormat.Vhdx => await CreateVhdxAsync(storage, plan, size, cancellationToken),
            ImageFormat.Vhd => await CreateVhdAsync(storage, plan, size, cancellationToken),
            _ => await CreateQcow2Async(storage, plan, size, encryptionHeaderLength: 0, cancellationToken),
        });

    private static async ValueTask<IBlockDevice> CreateVhdxAsync(IBlockDevice storage, NewDisk plan, long size, CancellationToken cancellationToken)
    {
        VirtualDiskOptions wanted = plan.VirtualDisk ?? new VirtualDiskOptions();
        var options = new VhdxCreateOptions
        {
            Size = size,
            LogicalSectorSize = wanted.LogicalSectorSize,
            Preallocation = plan.Preallocation,
            Parent = wanted.Parent,
        };
        await VhdxBuilder.CreateAsync(storage, wanted.BlockSize is { } bytes ? options with { BlockSize = bytes } : options, cancellationToken);
        return await VhdxImage.OpenAsync(Borrow(storage), new VhdxOpenOptions { Writable = true }, cancellationToken);
    }

    private static async ValueTask<IBlockDevice> CreateVhdAsync(IBlockDevice storage, NewDisk plan, long size, CancellationToken cancellationToken)
    {
        VirtualDiskOptions wanted = plan.VirtualDisk ?? new VirtualDiskOptions();
        if (wanted.LogicalSectorSize != 512)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"A VHD disk has sectors of 512 bytes, not {wanted.LogicalSectorSize}; VHDX has others.");
        }

        var options = new VhdCreateOptions { Size = size, Preallocation = plan.Preallocation, Parent = wanted.Parent };
        await VhdBuilder.CreateAsync(storage, wanted.BlockSize is { } bytes ? options with { BlockSize = bytes } : options, cancellationToken);
        return await VhdImage.OpenAsync(Borrow(storage), new VhdOpenOptions { Writable = true }, cancellationToken);
    }

    private static async ValueTask<Qcow2Image> CreateQcow2Async(
        IBlockDevice storage, NewDisk plan, long size, long encryptionHeaderLength, CancellationToken cancellationToken)
    {
        Qcow2CreateOptions options = (plan.Qcow2 ?? new Qcow2CreateOptions { Size = size }) with
        {
            Size = size,
            Preallocation = plan.Preallocation,
            EncryptionHeaderLength = encryptionHeaderLength,
        };
        await Qcow2Builder.CreateAsync(storage, options, cancellationToken);
        return await Qcow2Image.OpenAsync(Borrow(storage), new Qcow2OpenOptions { Writable = true }, cancellationToken);
    }

    private static async ValueTask<VolumeKey> FormatAsync(
        IBlockDevice area, LuksFormatOptions luks, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        if (area.Length < luks.HeaderLength)
        {
            await area.SetLengthAsync(luks.HeaderLength, cancellationToken);
        }

        return (await LuksHeader.FormatAsync(area, luks, passphrase, cancellationToken)).Key;
    }

    private static SubDevice Borrow(IBlockDevice storage) => SubDevice.Tail(storage, 0, ownsInner: false);
}
