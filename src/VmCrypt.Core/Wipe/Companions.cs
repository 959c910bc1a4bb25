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

    /// <summary>The file of a detached LUKS header, where it is named.</summary>
    Header = 8,

    All = Backing | DataFile | Neighbours | Header,
}

/// <summary>What belongs to an image besides its own file, found while it can still be read.</summary>
/// <remarks>Only files in the image's own folder are followed: an image is hostile input and could name anybody's file to be wiped.</remarks>
internal sealed record Companions(IReadOnlyList<(WipeInclude Kind, string Path)> Files, int Snapshots)
{
    private static readonly string[] s_neighbours = [".meta", ".lease"];

    public static async Task<Companions> FindAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        if (TargetOpener.KindOf(request.Path) != TargetKind.File)
        {
            return new Companions([.. HeaderOf(request)], 0);
        }

        string full = TargetOpener.FullPath(request.Path);
        ImageDescription? image = ImageUsers.StartsAsChild(full) ? await DescribeAsync(full, cancellationToken) : null;
        IEnumerable<(WipeInclude, string)> neighbours = s_neighbours.Select(suffix => full + suffix)
            .Where(neighbour => FilePlatform.Current.KindOf(neighbour) == PathKind.File)
            .Select(neighbour => (WipeInclude.Neighbours, neighbour));
        return new Companions([.. ReferencesOf(image, full), .. neighbours, .. HeaderOf(request)], image?.Snapshots.Length ?? 0);
    }

    /// <summary>What the result of <paramref name="request"/> has to say of them.</summary>
    public IEnumerable<WipeFinding> Findings(WipeRequest request)
    {
        if (Snapshots > 0)
        {
            yield return new WipeFinding(FindingKind.Snapshots, FindingWeight.Note,
                $"Internal snapshots of the image: {Snapshots}. They are part of its bytes and go with them.");
        }

        foreach ((_, string path) in Files.Where(file => !request.Together.Contains(file.Path)))
        {
            yield return new WipeFinding(FindingKind.NotIncluded, FindingWeight.Note, $"Not covered: '{path}', which belongs to the disk.");
        }
    }

    private static IEnumerable<(WipeInclude, string)> HeaderOf(WipeRequest request) =>
        request.HeaderPath is { } header && File.Exists(header) ? [(WipeInclude.Header, Path.GetFullPath(header))] : [];

    // Damaged, or what it names lies elsewhere: its own bytes are wiped all the same.
    private static async Task<ImageDescription?> DescribeAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await ImageInspector.DescribeAsync(DiskLocation.Parse(path), DiskOpenOptions.Default, cancellationToken);
        }
        catch (VmCryptException)
        {
            return null;
        }
    }

    private static List<(WipeInclude, string)> ReferencesOf(ImageDescription? image, string path)
    {
        var all = new List<(WipeInclude, string)>();
        for (; image is not null; image = image.Backing)
        {
            if (image.Path != path && !DiskLocation.IsNbdUri(image.Path))
            {
                all.Add((WipeInclude.Backing, image.Path));
            }

            if (DataFileOf(image) is { } data)
            {
                all.Add((WipeInclude.DataFile, data));
            }
        }

        return all;
    }

    private static string? DataFileOf(ImageDescription image)
    {
        try
        {
            return image.Qcow2?.DataFile is { } name ? ReferencePolicy.Default.Resolve(name, DiskLocation.Parse(image.Path)) : null;
        }
        catch (VmCryptException)
        {
            return null;
        }
    }
}
