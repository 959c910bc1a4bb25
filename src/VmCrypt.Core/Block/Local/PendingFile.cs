using System.Security.Cryptography;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>A file that appears under its name only when it is complete.</summary>
/// <remarks>
/// <para>Steps, and what a crash after each leaves: (1) create <c>.name.xxxxxxxx.partial</c> in the target's folder — that
/// file, which nobody takes for the image; (2) write and flush it — the same; (3) rename it onto the target — the complete
/// image under one name or the other; (4) flush the folder — the image.</para>
/// <para>Disposed without <see cref="CommitAsync"/>, after an error or a cancel, it deletes what it has made. An existing target
/// is refused at the start and again at the rename, unless it is to be replaced; then it is held locked until it is
/// replaced, so that no VM starts from it meanwhile, and a target that a VM uses is refused.</para>
/// <para>The new file belongs to who runs us, mode 0600 or less: an image is as secret as the disk that it came from.</para>
/// </remarks>
public sealed class PendingFile : IAsyncDisposable
{
    private readonly FileDevice _file;
    private readonly string _target;
    private readonly bool _replace;
    private FileDevice? _replaced;
    private bool _committed;

    private PendingFile(FileDevice file, string target, bool replace, FileDevice? replaced)
    {
        _file = file;
        _target = target;
        _replace = replace;
        _replaced = replaced;
        Device = SubDevice.Tail(file, 0, ownsInner: false);
    }

    /// <summary>The file to be filled. Stays open when it is disposed, so that stacks may be built on it and torn down before the commit.</summary>
    public IBlockDevice Device { get; }

    /// <summary>The name that the file has until it is complete.</summary>
    public string TemporaryPath => _file.Path;

    /// <param name="path">The final name. If it is a symbolic link to a file, that file is meant.</param>
    /// <param name="options">Size and preallocation.</param>
    /// <param name="replace">Replace an existing file.</param>
    /// <param name="cancellationToken">Cancels preallocation.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>: the folder does not exist.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>: the file to be replaced is in use.</exception>
    public static async ValueTask<PendingFile> CreateAsync(
        string path, FileCreateOptions options, bool replace, CancellationToken cancellationToken)
    {
        string target = FilePlatform.FinalPath(path);
        if (Path.GetDirectoryName(target) is { } folder && !Directory.Exists(folder))
        {
            throw new MissingException(ErrorIds.FileNotFound, $"There is no folder '{folder}' for the file '{target}'.");
        }

        FileDevice? replaced = null;
        try
        {
            if (FilePlatform.Current.KindOf(target) != PathKind.Missing)
            {
                replaced = replace
                    ? await FileDevice.OpenAsync(target, LocalDiskOptions.ReadWrite, cancellationToken)
                    : throw Exists(target);
            }

            FileDevice file = await FileDevice.CreateAsync(TemporaryNameFor(target), options, cancellationToken);
            return new PendingFile(file, target, replace, replaced);
        }
        catch
        {
            await CloseAsync(replaced);
            throw;
        }
    }

    /// <summary>Makes the content durable, gives the file its name, and makes that durable, too.</summary>
    public async ValueTask CommitAsync(CancellationToken cancellationToken)
    {
        await _file.FlushAsync(cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        if (OperatingSystem.IsWindows())
        {
            // There, what is open cannot be replaced.
            await CloseAsync(_replaced);
        }

        FilePlatform.Current.Rename(_file.Path, _target, _replace);
        _committed = true;
        FilePlatform.Current.FlushFolder(Path.GetDirectoryName(_target)!);
    }

    /// <summary>Closes the file; deletes it if it was not committed.</summary>
    public async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync();
        await CloseAsync(_replaced);
        _replaced = null;
        if (!_committed)
        {
            File.Delete(_file.Path);
        }
    }

    private static ValueTask CloseAsync(FileDevice? file) => file?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static RefusedException Exists(string target) =>
        new(ErrorIds.FileExists, $"The file '{target}' exists; it is replaced only when asked for.");

    private static string TemporaryNameFor(string target)
    {
        // Names have at most 255 bytes; the first characters of a long one are enough to recognise it.
        string name = Path.GetFileName(target);
        string start = name[..Math.Min(name.Length, 50)];
        return Path.Combine(Path.GetDirectoryName(target)!, $".{start}.{RandomNumberGenerator.GetHexString(8, lowercase: true)}.partial");
    }
}
