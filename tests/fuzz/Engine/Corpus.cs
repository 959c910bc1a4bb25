using System.IO.Compression;
using System.Security.Cryptography;

namespace VmCrypt.Fuzz.Engine;

/// <summary>The inputs that the repository keeps: samples made by real tools, and what was found with them.</summary>
internal static class Corpus
{
    private const string Samples = "corpus";
    private const string Findings = "findings";
    private const int WorthPacking = 1024;

    private static readonly string s_root = Path.Combine(Root(AppContext.BaseDirectory), "tests", "fuzz");

    /// <summary>Every kept input of a target by its file's name.</summary>
    public static IEnumerable<(string Name, byte[] Input)> Of(IFuzzTarget target) =>
    [
        .. target.Samples.SelectMany(folder => Files(Samples, folder)).Concat(Files(Findings, target.Name))
            .Select(file => (Path.GetFileName(file), InputOf(target, file))),
    ];

    /// <summary>The input that a file holds, or (a sample) makes.</summary>
    public static byte[] InputOf(IFuzzTarget target, string path)
    {
        byte[] content = Read(path);
        return Path.GetFullPath(path).StartsWith(Path.Combine(s_root, Samples), StringComparison.Ordinal) ? target.FromSample(content) : content;
    }

    private static byte[] Read(string path)
    {
        byte[] content = File.ReadAllBytes(path);
        if (!path.EndsWith(".gz", StringComparison.Ordinal))
        {
            return content;
        }

        using var unpacked = new MemoryStream();
        using var packed = new GZipStream(new MemoryStream(content), CompressionMode.Decompress);
        packed.CopyTo(unpacked);
        return unpacked.ToArray();
    }

    /// <summary>Keeps what shows a defect, under a name that is the same for the same defect.</summary>
    /// <returns>The path.</returns>
    public static string Keep(IFuzzTarget target, string defect, byte[] input)
    {
        string folder = Directory.CreateDirectory(Path.Combine(s_root, Findings, target.Name)).FullName;
        string name = Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(defect)))[..12];
        string path = Path.Combine(folder, name + ".bin");
        if (input.Length < WorthPacking)
        {
            File.WriteAllBytes(path, input);
            return path;
        }

        using var packed = new GZipStream(File.Create(path += ".gz"), CompressionLevel.SmallestSize);
        packed.Write(input);
        return path;
    }

    private static IEnumerable<string> Files(string kind, string name)
    {
        string folder = Path.Combine(s_root, kind, name);
        return Directory.Exists(folder) ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal) : [];
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "VmCrypt.slnx"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The fuzzer does not run inside a checkout."));
}
