using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace VmCrypt.Build;

/// <summary>Builds, and packs the two products for people without an SDK.</summary>
internal static class Package
{
    public static int Run()
    {
        ProductBuild.Run();
        string module = Path.Combine(Layout.Output, $"VmCrypt-{Layout.Version}.zip");
        File.Delete(module);
        ZipFile.CreateFromDirectory(Layout.Module, module, CompressionLevel.SmallestSize, includeBaseDirectory: true);

        string host = Path.Combine(Layout.Output, $"vmcrypt-{Layout.Version}-{RuntimeInformation.RuntimeIdentifier}.tar.gz");
        using (var packed = new GZipStream(File.Create(host), CompressionLevel.SmallestSize))
        {
            TarFile.CreateFromDirectory(Layout.Bin, packed, includeBaseDirectory: false);
        }

        Console.WriteLine($"packed {module} and {host}");
        return 0;
    }
}
