using System.Text;

namespace VmCrypt.Interop.Tests;

/// <summary>qemu-img and qemu-io with a passphrase in a file, as their users call them.</summary>
internal static class QemuImg
{
    private static int s_secrets;

    /// <summary>The <c>--object secret,…</c> of a passphrase, under the id <c>key</c>.</summary>
    public static string[] Secret(Scratch scratch, string passphrase, string id = "key")
    {
        string file = scratch.File($"secret-{Interlocked.Increment(ref s_secrets)}", Encoding.UTF8.GetBytes(passphrase));
        return ["--object", $"secret,id={id},file={file}"];
    }

    /// <summary>Creates an image; tries again when QEMU 7.2 could not measure its own time, as it now and then cannot.</summary>
    public static void Create(params string[] arguments)
    {
        (int ExitCode, string Output, string Error) result = default;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            result = Tools.TryRun("qemu-img", ["create", "-q", .. arguments]);
            if (result.ExitCode == 0 || !result.Error.Contains("accurate CPU usage", StringComparison.Ordinal))
            {
                break;
            }
        }

        Assert.True(result.ExitCode == 0, $"qemu-img create {string.Join(' ', arguments)}: {result.Error}");
    }

    /// <summary>Runs qemu-io commands on an image that is given by its options (<c>driver=…</c>).</summary>
    public static string IO(string imageOptions, string[] secret, params string[] commands) =>
        Tools.Run("qemu-io", [.. secret, "--image-opts", imageOptions, .. commands.SelectMany(command => new[] { "-c", command })]);

    /// <summary>The plain content of an image as QEMU reads it.</summary>
    public static byte[] Read(Scratch scratch, string imageOptions, string[]? secret = null)
    {
        string raw = scratch[$"plain-{Guid.NewGuid():N}"];
        Tools.Run("qemu-img", ["convert", .. secret ?? [], "--image-opts", imageOptions, "-O", "raw", raw]);
        return File.ReadAllBytes(raw);
    }

    /// <summary>Fails unless <c>qemu-img check</c> finds neither corruption nor leaks.</summary>
    public static void Check(string imageOptions, string[]? secret = null) =>
        Tools.Run("qemu-img", ["check", .. secret ?? [], "--image-opts", imageOptions]);
}
