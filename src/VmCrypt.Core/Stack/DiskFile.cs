using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>Where a new disk goes.</summary>
public sealed record DiskTarget
{
    /// <summary>A file that does not exist yet; or a block device or NBD export, which is overwritten.</summary>
    public required DiskLocation Location { get; init; }

    /// <summary>A new file for the LUKS header alone; null to keep it with the image.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>Replace existing files, and overwrite devices.</summary>
    public bool Replace { get; init; }
}

/// <summary>Makes disks as files that appear only when they are complete.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves: build and fill the image under a temporary name — that file, which nobody takes
/// for the image; give the header its name — a header without an image, which is harmless; give the image its name — the disk.
/// A device is written in place instead: its old content is lost from the first step on, and until the last it is no disk.
/// </remarks>
public static class DiskFile
{
    /// <param name="target">Where to.</param>
    /// <param name="plan">What to make.</param>
    /// <param name="passphrase">Of the first key slot; borrowed. Null for a plain disk.</param>
    /// <param name="fill">Writes the disk's first content; null leaves it as it was made.</param>
    /// <param name="cancellationToken">Cancels; nothing is left behind (of a file).</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>, <see cref="ErrorIds.DeviceOverwriteRefused"/>.</exception>
    public static async ValueTask CreateAsync(
        DiskTarget target, NewDisk plan, SecretBuffer? passphrase, Func<BuiltDisk, CancellationToken, ValueTask>? fill, CancellationToken cancellationToken)
    {
        if (plan.Qcow2?.BackingPath is { } backing)
        {
            _ = new ReferencePolicy(ReferenceMode.Any).Resolve(backing, target.Location);
        }

        if (target.HeaderPath is { } path && !target.Location.IsNbd && FilePlatform.FinalPath(path) == FilePlatform.FinalPath(target.Location.Text))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"The detached header and the image are both to be '{path}'; they are two files.");
        }

        await using PendingFile? header = target.HeaderPath is null
            ? null
            : await PendingFile.CreateAsync(target.HeaderPath, FileCreateOptions.Sparse, target.Replace, cancellationToken);
        if (IsDevice(target.Location))
        {
            await using IBlockDevice device = await OpenDeviceAsync(target, cancellationToken);
            await BuildAsync(device, header?.Device, plan, passphrase, fill, cancellationToken);
            await (header?.CommitAsync(cancellationToken) ?? ValueTask.CompletedTask);
            return;
        }

        await using PendingFile image = await PendingFile.CreateAsync(
            target.Location.Text, FileCreateOptions.Sparse, target.Replace, cancellationToken);
        await BuildAsync(image.Device, header?.Device, plan, passphrase, fill, cancellationToken);
        await (header?.CommitAsync(cancellationToken) ?? ValueTask.CompletedTask);
        await image.CommitAsync(cancellationToken);
    }

    private static async ValueTask BuildAsync(
        IBlockDevice storage, IBlockDevice? header, NewDisk plan, SecretBuffer? passphrase,
        Func<BuiltDisk, CancellationToken, ValueTask>? fill, CancellationToken cancellationToken)
    {
        BuiltDisk built = await DiskBuilder.BuildAsync(storage, header, plan, passphrase, cancellationToken);
        await using (built.Device)
        {
            await (fill?.Invoke(built, cancellationToken) ?? ValueTask.CompletedTask);
            await built.Device.FlushAsync(cancellationToken);
        }

        await storage.FlushAsync(cancellationToken);
    }

    private static bool IsDevice(DiskLocation location) => location.IsNbd || LocalDisk.IsBlockDevice(location.Text);

    private static async ValueTask<IBlockDevice> OpenDeviceAsync(DiskTarget target, CancellationToken cancellationToken) => target.Replace
        ? await StorageOpener.OpenAsync(target.Location, writable: true, forceShare: false, cancellationToken)
        : throw new RefusedException(ErrorIds.DeviceOverwriteRefused,
            $"{target.Location} is a device, whose content would be lost; it is overwritten only when asked for.");
}
