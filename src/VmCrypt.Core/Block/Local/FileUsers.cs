namespace VmCrypt.Core.Block.Local;

/// <summary>Which other processes have a file open, as far as we may see: for the sentence of an error, never for a decision.</summary>
internal static class FileUsers
{
    /// <summary>"qemu-system-x86 (process 4711)", "this process itself", or "another process" where we cannot see whose.</summary>
    public static string Describe(string path)
    {
        string target = FilePlatform.FinalPath(path);
        // Who asks has it open, too.
        bool ours = HandlesOf("self", target) > 1;
        IEnumerable<string> others = Directory.EnumerateDirectories("/proc")
            .Select(folder => Path.GetFileName(folder))
            .Where(name => int.TryParse(name, out int id) && id != Environment.ProcessId && HandlesOf(name, target) > 0)
            .Select(name => $"{CommandOf(name)} (process {name})");
        string[] users = ours ? ["this process itself", .. others] : [.. others];
        return users.Length == 0 ? "another process" : string.Join(" and ", users);
    }

    private static int HandlesOf(string process, string target)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Count(link => new FileInfo(link).LinkTarget == target);
        }
        catch (Exception gone) when (IOFaults.Is(gone))
        {
            // The process has ended meanwhile, or belongs to somebody else.
            return 0;
        }
    }

    private static string CommandOf(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").TrimEnd();
        }
        catch (Exception gone) when (IOFaults.Is(gone))
        {
            return "a process";
        }
    }
}
