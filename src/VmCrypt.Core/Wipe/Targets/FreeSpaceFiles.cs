using System.Security.Cryptography;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>The files that take the free space of a file system, in a folder of it: made, found again, and taken away.</summary>
/// <remarks>Named in the order in which they were made, so that a resumed wipe lays them end to end as before.</remarks>
internal static class FreeSpaceFiles
{
    private const string Prefix = ".vmcrypt-free-";
    private const long LargestFile = 1L << 40;
    private const long SmallestFile = 1L << 20;
    private const long LeastReserve = 256L << 20;

    /// <summary>Bytes that files would take.</summary>
    /// <param name="reserve">Null for one in a hundred bytes, at least 256 MiB.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public static long Measure(string folder, long? reserve)
    {
        if (!Directory.Exists(folder))
        {
            throw new MissingException(ErrorIds.FileNotFound, $"There is no folder '{folder}'.");
        }

        var drive = new DriveInfo(folder);
        long keep = reserve ?? Math.Max(LeastReserve, drive.TotalSize / 100);
        return Math.Max(0, drive.AvailableFreeSpace - keep) & -SmallestFile;
    }

    /// <summary>Makes files until no more than the reserve is free.</summary>
    /// <returns>Opened, and so locked; the caller's.</returns>
    public static async ValueTask<List<FileTarget>> MakeAsync(string folder, long? reserve, CancellationToken cancellationToken)
    {
        var files = new List<FileTarget>();
        try
        {
            long next = LargestFile;
            while ((next = Math.Min(next, Measure(folder, reserve))) >= SmallestFile)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (await TryMakeAsync(folder, files.Count, next, cancellationToken) is { } file)
                {
                    files.Add(file);
                }
                else
                {
                    next = next / 2 & -SmallestFile;
                }
            }

            return files;
        }
        catch
        {
            await CloseAsync(files, delete: true);
            throw;
        }
    }

    /// <summary>Opens the files that a stopped wipe has left.</summary>
    public static async ValueTask<List<FileTarget>> OpenAsync(string folder, CancellationToken cancellationToken)
    {
        var files = new List<FileTarget>();
        try
        {
            foreach (string path in Find(folder))
            {
                files.Add(await FileTarget.OpenAsync(path, allowLinks: false, null, cancellationToken));
            }

            return files;
        }
        catch
        {
            await CloseAsync(files, delete: false);
            throw;
        }
    }

    /// <summary>Takes away what a run has left that did not come to its end.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>: it is still at work.</exception>
    public static async ValueTask RemoveLeftOversAsync(string folder, CancellationToken cancellationToken)
    {
        string[] left = [.. Find(folder)];
        foreach (string path in left)
        {
            if (new FileInfo(path).LinkTarget is null)
            {
                await using FileDevice locked = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, cancellationToken);
            }

            File.Delete(path);
        }

        if (left.Length > 0)
        {
            FilePlatform.Current.FlushFolder(folder);
        }
    }

    public static async ValueTask CloseAsync(List<FileTarget> files, bool delete)
    {
        foreach (FileTarget file in files)
        {
            await file.DisposeAsync();
            if (delete)
            {
                File.Delete(file.Facts.Path);
            }
        }

        files.Clear();
    }

    private static IEnumerable<string> Find(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, Prefix + "*").Order(StringComparer.Ordinal) : [];

    // Null where the file system has not that much in one piece, or no files that long.
    private static async ValueTask<FileTarget?> TryMakeAsync(string folder, int number, long length, CancellationToken cancellationToken)
    {
        string path = Path.Combine(folder, $"{Prefix}{number:0000}-{RandomNumberGenerator.GetHexString(16, lowercase: true)}");
        try
        {
            await MakeOneAsync(path, length, FilePreallocation.Falloc, cancellationToken);
        }
        catch (UnsupportedFeatureException fault) when (fault.ErrorId == ErrorIds.PreallocationUnsupported)
        {
            await MakeOneAsync(path, length, FilePreallocation.Full, cancellationToken);
        }
        catch (DeviceFaultException fault) when (fault.ErrorId is ErrorIds.DiskFull or ErrorIds.FileTooLarge)
        {
            return null;
        }

        return await FileTarget.OpenAsync(path, allowLinks: false, null, cancellationToken);
    }

    private static async ValueTask MakeOneAsync(string path, long length, FilePreallocation how, CancellationToken cancellationToken)
    {
        FileDevice file = await FileDevice.CreateAsync(path, new FileCreateOptions { Length = length, Preallocation = how }, cancellationToken);
        await file.DisposeAsync();
    }
}
