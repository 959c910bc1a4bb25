using System.Text;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The names by which an image asks for other files: under the fence none may lead out of the image's folder.</summary>
internal sealed class ReferenceTarget : IFuzzTarget
{
    private readonly ScratchFolder _root = new(Fill);

    public string Name => "reference";

    public int MaxLength => 1023;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "..", ".", "/", "//", "\\", "file:", "json:{}", "nbd:", "base.raw", "sub/", "inside", "outside", "loop", "up/", "secret.txt", "/etc/passwd", "/proc/self/root/", "\0", "~", "C:");

    // Backing file names are decoded so.
    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        DiskLocation owner = DiskLocation.Parse(Path.Combine(_root["images"], "disk.qcow2"));
        string found = ReferencePolicy.Default.Resolve(Encoding.UTF8.GetString(input), owner);
        trace.Note("resolved", found.Length);
        string content = File.ReadAllText(found);
        DefectException.Unless(content == "inside", $"A file outside of the fence was resolved. {found}");
    }

    /// <summary>images/ is the fence; "secret.txt" lies beside it, and links lead in and out.</summary>
    private static void Fill(string root)
    {
        string images = Directory.CreateDirectory(Path.Combine(root, "images")).FullName;
        Directory.CreateDirectory(Path.Combine(images, "sub"));
        Directory.CreateDirectory(Path.Combine(root, "images-of-others"));
        File.WriteAllText(Path.Combine(root, "secret.txt"), "outside");
        File.WriteAllText(Path.Combine(root, "images-of-others", "base.raw"), "outside");
        File.WriteAllText(Path.Combine(images, "base.raw"), "inside");
        File.WriteAllText(Path.Combine(images, "sub", "base.raw"), "inside");
        File.CreateSymbolicLink(Path.Combine(images, "inside"), "sub/base.raw");
        File.CreateSymbolicLink(Path.Combine(images, "outside"), "../secret.txt");
        File.CreateSymbolicLink(Path.Combine(images, "loop"), "loop");
        Directory.CreateSymbolicLink(Path.Combine(images, "up"), root);
        Directory.CreateSymbolicLink(Path.Combine(images, "sub", "up"), "..");
    }
}
