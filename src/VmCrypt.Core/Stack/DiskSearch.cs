using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Stack;

/// <summary>Finds the disks below a folder: of a host, of a pool, of an oVirt storage domain (whose volumes have names without extension).</summary>
public static class DiskSearch
{
    // Nothing smaller than this is a disk that somebody boots from or keeps data on.
    private const long SmallestRaw = 1 << 20;

    private const int Sector = 512;

    private static readonly HashSet<string> s_formats = new([".qcow2", ".qcow", ".luks", ".vhdx", ".vhd", ".avhdx"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> s_raw = new([string.Empty, ".img", ".raw", ".dd", ".bin", ".disk"], StringComparer.OrdinalIgnoreCase);

    /// <summary>The full paths of all that looks like a disk, in order of their names. Links are not followed.</summary>
    /// <remarks>
    /// A disk is what starts as one, or has a name that says so, or might be raw by name and size. What cannot be read is
    /// listed as well, folders included: who opens it learns why, and an inventory has no hole.
    /// </remarks>
    public static IEnumerable<string> Below(string folder)
    {
        FileSystemInfo[]? entries = TryList(folder);
        if (entries is null)
        {
            yield return folder;
            yield break;
        }

        foreach (FileSystemInfo entry in entries.Where(entry => entry.LinkTarget is null).OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (entry is DirectoryInfo)
            {
                foreach (string found in Below(entry.FullName))
                {
                    yield return found;
                }
            }
            else if (IsDisk((FileInfo)entry))
            {
                yield return entry.FullName;
            }
        }
    }

    /// <summary>What only the name and the end of a file say of its format: a fixed VHD is raw by its start. Null for all others.</summary>
    public static ImageFormat? FormatByEnd(string path)
    {
        if (!Path.GetExtension(path).Equals(".vhd", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        byte[] end = new byte[FormatProbe.MagicLength];
        return TryRead(path, Sector, end) && FormatProbe.Recognise(end) == ImageFormat.Vhd ? ImageFormat.Vhd : null;
    }

    private static FileSystemInfo[]? TryList(string folder)
    {
        try
        {
            return new DirectoryInfo(folder).GetFileSystemInfos();
        }
        catch (Exception fault) when (IOFaults.Is(fault))
        {
            return null;
        }
    }

    private static bool IsDisk(FileInfo file)
    {
        if (FilePlatform.Current.KindOf(file.FullName) != PathKind.File)
        {
            return false;
        }

        if (s_formats.Contains(file.Extension) || (s_raw.Contains(file.Extension) && file.Length >= SmallestRaw && file.Length % Sector == 0))
        {
            return true;
        }

        byte[] start = new byte[FormatProbe.MagicLength];
        return TryRead(file.FullName, file.Length, start) && FormatProbe.Recognise(start) != ImageFormat.Raw;
    }

    private static bool TryRead(string path, long fromEnd, Span<byte> target)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            file.Position = Math.Max(0, file.Length - fromEnd);
            return file.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) == target.Length;
        }
        catch (Exception fault) when (IOFaults.Is(fault))
        {
            return false;
        }
    }
}
