using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Ovirt;

/// <summary>A file storage domain of oVirt, as vdsm lays it: DOMAIN/dom_md/metadata and DOMAIN/images/IMAGE/VOLUME with VOLUME.meta and VOLUME.lease.</summary>
/// <remarks>Nothing is written. Names that are no UUIDs are not looked at; links below the domain's own folder are refused.</remarks>
public sealed class OvirtDomain
{
    private const string Images = "images";
    private const string MetaExtension = ".meta";
    private const int MaxChain = 256;

    private readonly string _path;
    private readonly Dictionary<Guid, List<Place>> _places = [];

    private OvirtDomain(string path, Guid uuid, Guid? poolUuid)
    {
        _path = path;
        Uuid = uuid;
        PoolUuid = poolUuid;
        foreach (string image in Directory.EnumerateDirectories(Path.Combine(path, Images)).Where(folder => IsUuid(Path.GetFileName(folder))).Order(StringComparer.Ordinal))
        {
            foreach (string meta in Directory.EnumerateFiles(image, "*" + MetaExtension).Order(StringComparer.Ordinal))
            {
                Add(image, meta);
            }
        }
    }

    public Guid Uuid { get; }

    /// <summary>Null for a domain that is attached to no data center.</summary>
    public Guid? PoolUuid { get; }

    /// <summary>The domains at a path: the folder of one, or one that holds several, such as a mount point or a data center's.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.OvirtDomainInvalid"/>.</exception>
    public static IReadOnlyList<OvirtDomain> At(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string[] candidates = !Directory.Exists(full) ? [] : IsDomain(full) ? [full] : [.. Directory.EnumerateDirectories(full).Where(IsDomain).Order(StringComparer.Ordinal)];
        return candidates.Length > 0
            ? [.. candidates.Select(Open)]
            : throw new MissingException(ErrorIds.OvirtDomainInvalid, $"{full} is no storage domain, nor holds one: a domain's folder is named by its UUID and has dom_md and {Images}.");
    }

    /// <summary>The volumes, each once for every image folder that it lies in.</summary>
    public IEnumerable<(Guid Image, Guid Volume)> Volumes() => _places.SelectMany(volume => volume.Value.Select(place => (place.Image, volume.Key)));

    /// <summary>Reads the .meta file of a volume.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.OvirtImageMissing"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.OvirtMetaInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.PathFenced"/>: the volume or its .meta file is a link.</exception>
    public OvirtMeta ReadMeta(Guid image, Guid volume)
    {
        Place place = Find(image, volume) is { } found && found.Image == image
            ? found
            : throw new MissingException(ErrorIds.OvirtImageMissing, $"The storage domain {Uuid} has no volume {volume} in the image {image}.");
        OvirtMeta meta = OvirtMeta.Parse(ReadText(place.Path + MetaExtension), place.Path + MetaExtension);
        string? fault = meta switch
        {
            _ when meta.DomainUuid != Uuid => $"DOMAIN is {meta.DomainUuid}, and the storage domain is {Uuid}",
            _ when meta.ParentUuid == volume => "PUUID is the volume itself",
            { Role: not OvirtRole.Shared } when meta.ImageUuid != image => $"IMAGE is {meta.ImageUuid}, and the volume lies in the image {image}",
            _ => null,
        };
        return fault is null ? meta : throw new InvalidImageException(ErrorIds.OvirtMetaInvalid, $"{place.Path}{MetaExtension}: {fault}.");
    }

    /// <summary>A volume with its chain and what its image says.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.OvirtMetaInvalid"/>, <see cref="ErrorIds.OvirtChainBroken"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.PathFenced"/>.</exception>
    public async ValueTask<OvirtVolume> DescribeAsync(Guid image, Guid volume, CancellationToken cancellationToken)
    {
        OvirtVolume found = Chain(image, volume, []);
        try
        {
            // The images of a chain lie in the domain, if not in the same folder: an old template is named by ../IMAGE/VOLUME.
            var references = new ReferencePolicy(ReferenceMode.Fenced, [Path.Combine(_path, Images)]);
            ImageDescription description = await ImageInspector.DescribeAsync(
                DiskLocation.Parse(found.Path), found.Format == OvirtFormat.Cow ? ImageFormat.Qcow2 : ImageFormat.Raw, references, cancellationToken);
            return found with { Image = description, Trouble = description.Unusable ?? Mismatch(found, description) };
        }
        catch (VmCryptException trouble)
        {
            return found with { Trouble = trouble };
        }
    }

    private static OvirtDomain Open(string path)
    {
        string metadata = Path.Combine(path, "dom_md", "metadata");
        Guid? pool = null;
        if (File.Exists(metadata))
        {
            string? line = ReadText(metadata).Split('\n').FirstOrDefault(line => line.StartsWith("POOL_UUID=", StringComparison.Ordinal));
            pool = Guid.TryParseExact(line?["POOL_UUID=".Length..].Trim().Split(',')[0], "D", out Guid uuid) ? uuid : null;
        }

        return new OvirtDomain(path, Guid.ParseExact(Path.GetFileName(path), "D"), pool);
    }

    private static bool IsDomain(string path) => IsUuid(Path.GetFileName(path)) && IsOwn(Path.Combine(path, Images)) && IsOwn(Path.Combine(path, "dom_md"));

    private static bool IsOwn(string folder) => new DirectoryInfo(folder) is { Exists: true, LinkTarget: null };

    private static bool IsUuid(string text) => Guid.TryParseExact(text, "D", out _);

    private static string ReadText(string path)
    {
        RequireNoLink(path);
        if (FilePlatform.Current.KindOf(path) != PathKind.File)
        {
            // A pipe would have us wait for whoever writes into it.
            throw new InvalidImageException(ErrorIds.OvirtMetaInvalid, $"{path} is no file.");
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[OvirtMeta.MaxBytes + 1];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return length <= OvirtMeta.MaxBytes
            ? Encoding.UTF8.GetString(bytes, 0, length)
            : throw new InvalidImageException(ErrorIds.OvirtMetaInvalid, $"{path} is longer than {OvirtMeta.MaxBytes} bytes.");
    }

    private static void RequireNoLink(string path)
    {
        if (new FileInfo(path).LinkTarget is not null || new DirectoryInfo(Path.GetDirectoryName(path)!).LinkTarget is not null)
        {
            throw new RefusedException(ErrorIds.PathFenced, $"{path} is, or lies in, a symbolic link, which a file storage domain has none of.");
        }
    }

    // qcow2 names the volume below by a path, whose last part is the volume's UUID.
    private static InvalidImageException? Mismatch(OvirtVolume volume, ImageDescription image)
    {
        (string Told, string Found)[] links = [.. volume.Chain.Zip(Files(image))];
        string? odd = links.FirstOrDefault(link => Path.GetFileName(link.Told) != Path.GetFileName(link.Found)).Found;
        return odd is null && volume.Chain.Length == Files(image).Count()
            ? null
            : new InvalidImageException(ErrorIds.OvirtChainMismatch,
                $"The .meta files of {volume.Path} tell a chain of {volume.Chain.Length} volumes, and the images another{(odd is null ? string.Empty : $", with {odd}")}.");
    }

    private static IEnumerable<string> Files(ImageDescription? image)
    {
        for (; image is not null; image = image.Backing)
        {
            yield return image.Path;
        }
    }

    private void Add(string image, string meta)
    {
        if (Guid.TryParseExact(Path.GetFileNameWithoutExtension(meta), "D", out Guid volume))
        {
            if (!_places.TryGetValue(volume, out List<Place>? places))
            {
                _places[volume] = places = [];
            }

            places.Add(new Place(Guid.ParseExact(Path.GetFileName(image), "D"), meta[..^MetaExtension.Length]));
        }
    }

    // In the image's own folder first: a template's volume is linked there.
    private Place? Find(Guid image, Guid volume) => _places.GetValueOrDefault(volume) is { } places
        ? places.FirstOrDefault(place => place.Image == image) ?? places[0]
        : null;

    private OvirtVolume Chain(Guid image, Guid volume, HashSet<Guid> seen)
    {
        OvirtMeta meta = ReadMeta(image, volume);
        Place place = Find(image, volume)!;
        RequireNoLink(place.Path);
        if (!seen.Add(volume) || seen.Count > MaxChain)
        {
            throw new InvalidImageException(ErrorIds.OvirtChainBroken, $"The volume {volume} of the image {image} is its own ancestor, or has more than {MaxChain}.");
        }

        OvirtVolume? parent = meta.ParentUuid is not { } below ? null : Find(image, below) is { } there
            ? Chain(there.Image, below, seen)
            : throw new InvalidImageException(ErrorIds.OvirtChainBroken, $"The volume {volume} of the image {image} stands on {below}, which the storage domain {Uuid} does not have.");
        return new OvirtVolume { Path = place.Path, VolumeUuid = volume, ImageUuid = image, PoolUuid = PoolUuid, Meta = meta, Parent = parent };
    }

    private sealed record Place(Guid Image, string Path);
}
