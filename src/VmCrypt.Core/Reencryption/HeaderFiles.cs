using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Headers as files: beside an image that is a file, for everything else in the folder of state, where the same command finds them again.</summary>
internal sealed class HeaderFiles : IHeaderShelf
{
    private const string Folder = "reencryption";

    private readonly string _path;

    /// <param name="location">The image.</param>
    /// <param name="configuration">The folder of state, for images that are devices.</param>
    public HeaderFiles(DiskLocation location, ConfigurationFolder configuration)
    {
        if (location.HeaderBeside is { } beside)
        {
            _path = beside[..^DiskLocation.HeaderExtension.Length];
            return;
        }

        configuration.Create();
        Directory.CreateDirectory(configuration[Folder]);
        string name = new([.. location.Text.Split('/', '\\')[^1].Select(letter => char.IsLetterOrDigit(letter) ? letter : '_')]);
        string digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(location.Text)))[..12];
        _path = Path.Combine(configuration[Folder], $"{name}-{digest}");
    }

    public bool Has(HeaderStage stage) => File.Exists(PathOf(stage));

    /// <summary>The file of a stage.</summary>
    public string PathOf(HeaderStage stage) => _path + (stage == HeaderStage.Active ? DiskLocation.HeaderExtension : ".vmcrypt-prepared");

    public async ValueTask CreateAsync(HeaderStage stage, long length, Func<IBlockDevice, ValueTask> fill, CancellationToken cancellationToken)
    {
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

    private void FlushFolder() => FilePlatform.Current.FlushFolder(Path.GetDirectoryName(_path)!);
}
