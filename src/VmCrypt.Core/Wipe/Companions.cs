using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>Files that belong to an image and hold parts of its disk.</summary>
[Flags]
public enum WipeInclude
{
    None = 0,

    /// <summary>The images that it is built on, as long as nobody else is.</summary>
    Backing = 1,

    /// <summary>The file that holds a qcow2 image's data.</summary>
    DataFile = 2,

    /// <summary><c>.meta</c> and <c>.lease</c> of an oVirt storage domain.</summary>
    Neighbours = 4,

    All = Backing | DataFile | Neighbours,
}

/// <summary>Finds the files that belong to an image.</summary>
/// <remarks>Only files in the image's own folder are followed: an image is hostile input and could name anybody's file to be wiped.</remarks>
internal static class Companions
{
    private static readonly string[] s_neighbours = [".meta", ".lease"];

    public static async Task<IReadOnlyList<(WipeInclude Kind, string Path)>> FindAsync(string path, CancellationToken cancellationToken)
    {
        if (TargetOpener.KindOf(path) != TargetKind.File)
        {
            return [];
        }

        string full = TargetOpener.FullPath(path);
        var found = new List<(WipeInclude Kind, string Path)>();
        if (ImageRelations.StartsAsQcow(full))
        {
            found.AddRange(await ReferencesAsync(full, cancellationToken));
        }

        found.AddRange(s_neighbours.Select(suffix => full + suffix)
            .Where(neighbour => FilePlatform.Current.KindOf(neighbour) == PathKind.File)
            .Select(neighbour => (WipeInclude.Neighbours, neighbour)));
        return found;
    }

    private static async Task<IEnumerable<(WipeInclude Kind, string Path)>> ReferencesAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            var all = new List<(WipeInclude, string)>();
            ImageDescription? image = await ImageInspector.DescribeAsync(DiskLocation.Parse(path), DiskOpenOptions.Default, cancellationToken);
            for (; image is not null; image = image.Backing)
            {
                if (image.Path != path && !DiskLocation.IsNbdUri(image.Path))
                {
                    all.Add((WipeInclude.Backing, image.Path));
                }

                if (image.Qcow2?.DataFile is { } data)
                {
                    all.Add((WipeInclude.DataFile, ReferencePolicy.Default.Resolve(data, DiskLocation.Parse(image.Path))));
                }
            }

            return all;
        }
        catch (VmCryptException)
        {
            // Damaged, or what it names lies elsewhere: its own bytes are wiped all the same.
            return [];
        }
    }
}
