using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Headers as files beside the image.</summary>
/// <remarks>
/// Beside a block device there is no such place: its name may be that of another disk after the next start, and the header of one disk
/// must never be taken for that of another.
/// </remarks>
/// <param name="location">The image.</param>
internal sealed class HeaderFiles(DiskLocation location) : IHeaderShelf
{
    private readonly string? _path = location.HeaderBeside?[..^DiskLocation.HeaderExtension.Length];

    public bool Has(HeaderStage stage) => _path is not null && File.Exists(PathOf(stage));

    /// <summary>The file of a stage.</summary>
    public string PathOf(HeaderStage stage) => _path + (stage == HeaderStage.Active ? DiskLocation.HeaderExtension : ".vmcrypt-prepared");

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>: the image is a block device.</exception>
    public async ValueTask CreateAsync(HeaderStage stage, long length, Func<IBlockDevice, ValueTask> fill, CancellationToken cancellationToken)
    {
        if (_path is null)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported,
                $"The header of the block device {location} would have to lie in a file meanwhile, and nothing would tie that to the device; only with a detached header is it encrypted or decrypted in its place.");
        }

        await using PendingFile file = await PendingFile.CreateAsync(
            PathOf(stage), FileCreateOptions.Sparse with { Length = length }, replace: false, cancellationToken);
        await fill(file.Device);
        await file.CommitAsync(cancellationToken);
    }

    public async ValueTask<IBlockDevice> OpenAsync(HeaderStage stage, CancellationToken cancellationToken) =>
        await FileDevice.OpenAsync(PathOf(stage), LocalDiskOptions.ReadWrite, cancellationToken);

    public void Promote()
    {
        FilePlatform.Current.Rename(PathOf(HeaderStage.Prepared), PathOf(HeaderStage.Active), replace: false);
        FlushFolder();
    }

    public void Delete(HeaderStage stage)
    {
        File.Delete(PathOf(stage));
        FlushFolder();
    }

    private void FlushFolder() => FilePlatform.Current.FlushFolder(Path.GetDirectoryName(_path!)!);
}
