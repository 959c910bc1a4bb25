using System.Text.Json;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>qemu-img and qemu-io as judges of an image.</summary>
internal static class ImageJudge
{
    private const int LeaksOnly = 3;

    /// <summary>Neither corruption nor leaks.</summary>
    public static void Check(string path) => Tools.Run("qemu-img", "check", "-q", "-f", "qcow2", path);

    /// <summary>No corruption; leaked clusters are forgiven.</summary>
    public static void CheckForgivingLeaks(string path, string context)
    {
        (int exitCode, string output, string error) = Tools.TryRun("qemu-img", "check", "-f", "qcow2", path);
        Assert.True(exitCode is 0 or LeaksOnly, $"{context}: qemu-img check exited with {exitCode}: {output}{error}");
    }

    public static JsonElement Info(string path)
    {
        using JsonDocument info = JsonDocument.Parse(Tools.Run("qemu-img", "info", "--output=json", path));
        return info.RootElement.Clone();
    }

    /// <summary>Runs qemu-io commands; what begins with a dash is an option, and so is the word behind it.</summary>
    public static void Io(string path, params string[] commands)
    {
        var arguments = new List<string>();
        for (int i = 0; i < commands.Length; i++)
        {
            arguments.AddRange(commands[i].StartsWith('-') ? [commands[i], commands[++i]] : ["-c", commands[i]]);
        }

        string output = Tools.Run("qemu-io", [.. arguments, path]);
        Assert.DoesNotContain("failed", output, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The disk, as qemu-img sees it, has these bytes.</summary>
    public static void ReadsAs(byte[] expected, string path)
    {
        string raw = path + ".raw";
        Tools.Run("qemu-img", "convert", "-O", "raw", path, raw);
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(raw)), $"qemu-img reads other bytes from {path}");
        File.Delete(raw);
    }
}
