namespace VmCrypt.Build.Help;

/// <summary>Makes of the pages in docs/en-US what Get-Help looks for beside a module.</summary>
internal static class HelpFiles
{
    private const string Topic = "about_";

    public static void Write(string pages, string folder)
    {
        Directory.CreateDirectory(folder);
        string[] files = [.. Directory.GetFiles(pages, "*.md").Order(StringComparer.Ordinal)];
        Maml.Write(files.Where(file => !IsTopic(file)).Select(file => new HelpPage(File.ReadAllText(file))))
            .Save(Path.Combine(folder, "VmCrypt.Commands.dll-Help.xml"));
        foreach (string file in files.Where(IsTopic))
        {
            // A topic is plain text by nature; its Markdown reads as such.
            File.Copy(file, Path.Combine(folder, Path.GetFileNameWithoutExtension(file) + ".help.txt"));
        }
    }

    private static bool IsTopic(string file) => Path.GetFileName(file).StartsWith(Topic, StringComparison.Ordinal);
}
