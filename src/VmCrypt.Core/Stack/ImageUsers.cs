using System.Collections.Concurrent;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>Which images of a folder are built on which; each folder is looked through once.</summary>
internal sealed class ImageUsers
{
    // A folder with more files than this is no folder of disks.
    private const int MaxFiles = 100_000;

    // Formats whose files can be built on others: qcow2, VHDX, VHD.
    private static readonly byte[][] s_magics = [[0x51, 0x46, 0x49, 0xFB], [.. "vhdxfile"u8], [.. "conectix"u8]];

    // Nothing is opened: only names are compared.
    private static readonly ReferencePolicy s_anywhere = new(ReferenceMode.Any);

    private readonly ConcurrentDictionary<string, Lazy<Task<ILookup<string, string>>>> _folders = new(StringComparer.Ordinal);

    /// <summary>The images beside <paramref name="path"/>, or beside what it links to, that have it as backing or data file. One that was wiped or deleted since the scan is none any more.</summary>
    /// <param name="path">By whatever name.</param>
    /// <param name="known">Files that do not count.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<string[]> OfAsync(string path, IEnumerable<string> known, CancellationToken cancellationToken)
    {
        string real = ReferencePolicy.RealPath(path);
        var own = known.Select(ReferencePolicy.RealPath).ToHashSet(StringComparer.Ordinal);
        var users = new List<string>();
        foreach (string folder in new[] { path, real }.Select(name => Path.GetDirectoryName(name)!).DistinctBy(ReferencePolicy.RealPath, StringComparer.Ordinal))
        {
            ILookup<string, string> all = await _folders.GetOrAdd(
                folder, name => new(() => Task.Run(() => ScanAsync(name, CancellationToken.None), CancellationToken.None))).Value.WaitAsync(cancellationToken);
            users.AddRange(all[real]);
        }

        return [.. users.Where(user => !own.Contains(ReferencePolicy.RealPath(user)) && StartsAsChild(user))];
    }

    /// <summary>Names some of them, for a sentence.</summary>
    public static string Named(string[] users) =>
        $"{string.Join(", ", users.Take(3))}{(users.Length > 3 ? $" and {users.Length - 3} more" : string.Empty)}";

    /// <summary>The file starts as one that can be built on another.</summary>
    public static bool StartsAsChild(string file)
    {
        try
        {
            // Opening a pipe waits for its other end.
            if (FilePlatform.Current.KindOf(file) != PathKind.File)
            {
                return false;
            }

            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            byte[] start = new byte[s_magics.Max(magic => magic.Length)];
            int length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            return Array.Exists(s_magics, magic => start.AsSpan(0, length).StartsWith(magic));
        }
        catch (Exception unreadable) when (IOFaults.Is(unreadable) || unreadable is VmCryptException)
        {
            return false;
        }
    }

    private static async Task<ILookup<string, string>> ScanAsync(string folder, CancellationToken cancellationToken)
    {
        var edges = new List<(string Used, string User)>();
        foreach (string file in Directory.EnumerateFiles(folder).Take(MaxFiles).Where(StartsAsChild))
        {
            foreach (string used in await ReferencesAsync(file, cancellationToken))
            {
                edges.Add((used, file));
            }
        }

        return edges.ToLookup(edge => edge.Used, edge => edge.User, StringComparer.Ordinal);
    }

    // An image that cannot be described, because it is damaged or unknown, says nothing about others.
    private static async Task<IEnumerable<string>> ReferencesAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            var options = new DiskOpenOptions { HeadersOnly = true, ForceShare = true };
            ImageDescription image = await ImageInspector.DescribeAsync(DiskLocation.Parse(file), options, cancellationToken);
            string? parent = (image.Vhdx?.Parent ?? image.Vhd?.Parent)?.RelativePath?.Replace('\\', Path.DirectorySeparatorChar);
            return [.. new[] { image.Qcow2?.Backing?.Path, image.Qcow2?.DataFile, parent }.OfType<string>().Select(name => Real(name, file)).OfType<string>()];
        }
        catch (VmCryptException)
        {
            return [];
        }
    }

    // By whatever links: two names of one file are one file. Null for what is no local file, or not there.
    private static string? Real(string reference, string owner)
    {
        try
        {
            return ReferencePolicy.RealPath(s_anywhere.Resolve(reference, DiskLocation.Parse(owner)));
        }
        catch (VmCryptException)
        {
            return null;
        }
    }
}
