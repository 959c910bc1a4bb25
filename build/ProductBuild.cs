using VmCrypt.Build.Help;

namespace VmCrypt.Build;

/// <summary>Leaves the importable module in output/VmCrypt and the command-line host in output/bin.</summary>
internal static class ProductBuild
{
    public static int Run()
    {
        PublishHost();
        PublishModule();
        Console.WriteLine($"VmCrypt {Layout.Version}: module in output/VmCrypt, command line in output/bin/vmcrypt");
        return 0;
    }

    private static void PublishHost()
    {
        Empty(Layout.Bin);
        Publish("VmCrypt.Cli", Layout.Bin);
    }

    /// <remarks>
    /// Our own libraries stand beside the manifest; those of others go to lib/, where only our load context finds them
    /// (see ModuleDependencies in VmCrypt.Commands), so that they cannot clash with another module's.
    /// </remarks>
    private static void PublishModule()
    {
        Empty(Layout.Module);
        Publish("VmCrypt.Commands", Layout.Module);
        string lib = Directory.CreateDirectory(Path.Combine(Layout.Module, "lib")).FullName;
        foreach (string file in Directory.GetFiles(Layout.Module))
        {
            string name = Path.GetFileName(file);
            if (name.EndsWith(".deps.json", StringComparison.Ordinal))
            {
                File.Delete(file);
            }
            else if (name.EndsWith(".dll", StringComparison.Ordinal) && !name.StartsWith("VmCrypt.", StringComparison.Ordinal))
            {
                File.Move(file, Path.Combine(lib, name));
            }
        }

        File.Copy(Layout.In("VmCrypt.psd1"), Path.Combine(Layout.Module, "VmCrypt.psd1"));
        File.Copy(Layout.In("LICENSE"), Path.Combine(Layout.Module, "LICENSE"));
        foreach (string view in Directory.GetFiles(Layout.In("module"), "*.ps1xml"))
        {
            File.Copy(view, Path.Combine(Layout.Module, Path.GetFileName(view)));
        }

        CopyFolder(Layout.In("module", "VmCrypt.Vault"), Path.Combine(Layout.Module, "VmCrypt.Vault"));
        HelpFiles.Write(Layout.In("docs", "en-US"), Path.Combine(Layout.Module, "en-US"));
    }

    private static void Publish(string project, string folder) =>
        Tool.MustRun("dotnet", "publish", Layout.In("src", project), "--configuration", "Release", "--output", folder, "--verbosity", "quiet", "-nologo",
            "-p:PublishDocumentationFiles=false", "-p:PublishReferencesDocumentationFiles=false");

    private static void CopyFolder(string source, string target)
    {
        foreach (string file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static void Empty(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(folder);
    }
}
