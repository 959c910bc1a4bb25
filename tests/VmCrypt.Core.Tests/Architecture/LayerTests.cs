using System.Text.RegularExpressions;

namespace VmCrypt.Core.Tests.Architecture;

/// <summary>A line uses only what stands to the left of its own layer (CONTRIBUTING.md).</summary>
public sealed partial class LayerTests
{
    private static readonly string[] s_layers =
        ["Buffers", "Crypto", "Block", "Luks", "Images", "Stack", "Configuration", "Database", "Audit", "Qemu", "Reports"];

    // Free to all, and using nothing themselves.
    private static readonly string[] s_free = ["Errors"];

    // What is done to a VM takes several services; this room composes them as Stack composes layers.
    private const string Machines = nameof(Machines);

    private static readonly string s_core = Path.Combine(Repository.Root, "src", "VmCrypt.Core");

    private static readonly string[] s_rooms =
        [.. Directory.EnumerateDirectories(s_core).Select(Path.GetFileName).Where(name => name is not ("bin" or "obj"))!];

    public static TheoryData<string> SourceFiles() =>
        [.. Directory.EnumerateFiles(s_core, "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(s_core, file))
            .Where(file => !file.StartsWith("obj", StringComparison.Ordinal) && !file.StartsWith("bin", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(SourceFiles))]
    public void Uses_only_what_stands_to_its_left(string file)
    {
        string room = Room(file);
        string text = File.ReadAllText(Path.Combine(s_core, file));

        string[] wrong = [.. Mention().Matches(WithoutComments(text)).Select(match => match.Groups[2].Value).Distinct()
            .Where(used => s_rooms.Contains(used) && !MayUse(room, used))];

        Assert.True(wrong.Length == 0, $"{file} is in {room} and may not use {string.Join(", ", wrong)}.");
    }

    [Theory]
    [MemberData(nameof(SourceFiles))]
    public void Namespace_is_folder(string file)
    {
        string folder = Path.GetDirectoryName(file)!.Replace(Path.DirectorySeparatorChar, '.');
        string expected = $"namespace VmCrypt.Core.{folder};";

        Assert.Contains(expected, File.ReadAllText(Path.Combine(s_core, file)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_rule_tells_left_from_right()
    {
        Assert.True(MayUse("Luks", "Block"));
        Assert.False(MayUse("Block", "Luks"));
        Assert.False(MayUse("Luks", "Images"));
        Assert.False(MayUse("Images", "Luks"));
        Assert.True(MayUse("Conversion", "Stack"));
        Assert.False(MayUse("Conversion", "Nbd"));
        Assert.False(MayUse("Errors", "Block"));
        Assert.True(MayUse("Machines", "Conversion"));
        Assert.False(MayUse("Conversion", "Machines"));
    }

    private static bool MayUse(string room, string used)
    {
        if (room == used)
        {
            return true;
        }

        if (s_free.Contains(room) || s_free.Contains(used))
        {
            return s_free.Contains(used);
        }

        if (room == Machines || used == Machines)
        {
            return room == Machines;
        }

        // The two meet only in Stack: Luks makes keys, Images decide where the payload lies.
        if (room == "Images" && used == "Luks")
        {
            return false;
        }

        int own = Array.IndexOf(s_layers, room);
        int other = Array.IndexOf(s_layers, used);
        // A room that is no layer is a service: it uses every layer and no other service.
        return other >= 0 && (own < 0 || other < own);
    }

    private static string Room(string file) => file.Split(Path.DirectorySeparatorChar)[0];

    private static string WithoutComments(string text) => Comment().Replace(text, string.Empty);

    // Either the whole name, or the relative one that C# allows inside VmCrypt.Core: Luks.LuksHeader.
    [GeneratedRegex(@"(VmCrypt\.Core\.|(?<![\w.]))(\w+)(?=[.;])")]
    private static partial Regex Mention();

    [GeneratedRegex(@"^\s*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
