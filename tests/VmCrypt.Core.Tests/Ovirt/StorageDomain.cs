using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Ovirt;

/// <summary>A file storage domain as vdsm lays it, made in a scratch folder.</summary>
internal sealed class StorageDomain
{
    public const string Good = """
        CAP=1048576
        CTIME=1600000000
        DESCRIPTION={"DiskAlias":"web01_Disk1","DiskDescription":"the first"}
        DISKTYPE=DATA
        DOMAIN=11111111-1111-4111-8111-111111111111
        FORMAT=RAW
        GEN=3
        IMAGE=22222222-2222-4222-8222-222222222222
        LEGALITY=LEGAL
        PUUID=00000000-0000-0000-0000-000000000000
        TYPE=SPARSE
        VOLTYPE=LEAF
        EOF

        """;

    public static readonly Guid Uuid = Guid.Parse("11111111-1111-4111-8111-111111111111");
    public static readonly Guid Pool = Guid.Parse("99999999-9999-4999-8999-999999999999");
    public static readonly Guid Image = Guid.Parse("22222222-2222-4222-8222-222222222222");

    public StorageDomain(Scratch scratch)
    {
        Path = scratch[Uuid.ToString("D")];
        Directory.CreateDirectory(System.IO.Path.Combine(Path, "dom_md"));
        Directory.CreateDirectory(System.IO.Path.Combine(Path, "images"));
        File.WriteAllText(System.IO.Path.Combine(Path, "dom_md", "metadata"), $"CLASS=Data\nPOOL_UUID={Pool:D}\nSDUUID={Uuid:D}\nVERSION=5\n");
    }

    public string Path { get; }

    public string this[Guid image, Guid volume] => System.IO.Path.Combine(Path, "images", image.ToString("D"), volume.ToString("D"));

    /// <summary>Adds a volume: its bytes and its .meta file.</summary>
    /// <param name="changes">Lines that stand in the place of those of <see cref="Good"/> with the same key.</param>
    public string Add(Guid image, Guid volume, byte[] content, params string[] changes)
    {
        string path = this[image, volume];
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        File.WriteAllText(path + ".meta", Meta([$"IMAGE={image:D}", .. changes]));
        File.WriteAllBytes(path + ".lease", new byte[512]);
        return path;
    }

    public static string Meta(params string[] changes)
    {
        IEnumerable<string> kept = Good.Split('\n').Where(line => !changes.Any(change => change.Split('=')[0] == line.Split('=')[0]));
        return string.Join('\n', [.. changes, .. kept]);
    }
}
