using System.Text;

namespace VmCrypt.Interop.Tests.Guest;

/// <summary>Packs busybox, modules and programs of this machine into an initial RAM file system (cpio "newc", uncompressed).</summary>
internal static class Initramfs
{
    // Loaded by glibc when a thread ends, which no program says in its headers.
    private const string ThreadExit = "/lib/x86_64-linux-gnu/libgcc_s.so.1";

    public static byte[] Build(string kernelVersion, GuestOptions options)
    {
        Assert.SkipUnless(File.Exists("/bin/busybox"), "busybox is not installed");
        var archive = new Archive();
        archive.Add("/bin/busybox", File.ReadAllBytes("/bin/busybox"), executable: true);
        foreach (string program in options.Programs)
        {
            AddProgram(archive, program);
        }

        foreach (string file in options.Files.SelectMany(path => Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories) : [path]))
        {
            AddFile(archive, file);
        }

        IReadOnlyList<string> modules = ModuleFiles(kernelVersion, options.Modules);
        foreach (string module in modules)
        {
            archive.Add("/modules/" + Path.GetFileName(module), File.ReadAllBytes(module));
        }

        archive.Add("/init", Encoding.UTF8.GetBytes(Init(modules, options.Script)), executable: true);
        return archive.ToArray();
    }

    private static string Init(IEnumerable<string> modules, string script) => $"""
        #!/bin/busybox sh
        /bin/busybox mkdir -p /proc /sys /dev /tmp /run /mnt /usr/bin /usr/sbin /sbin
        /bin/busybox --install -s /bin
        export PATH=/bin:/sbin:/usr/bin:/usr/sbin
        mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
        {string.Join('\n', modules.Select(module => $"insmod /modules/{Path.GetFileName(module)}"))}
        {script}
        poweroff -f

        """.ReplaceLineEndings("\n");

    private static void AddProgram(Archive archive, string program)
    {
        string path = Tools.Find(program) ?? string.Empty;
        Assert.SkipWhen(path.Length == 0, $"{program} is not installed");
        archive.Add("/bin/" + program, File.ReadAllBytes(path), executable: true);
        AddLibraries(archive, path);
    }

    private static void AddFile(Archive archive, string path)
    {
        archive.Add(path, File.ReadAllBytes(path), executable: true);
        if (path.EndsWith(".so", StringComparison.Ordinal))
        {
            AddLibraries(archive, path);
        }
    }

    private static void AddLibraries(Archive archive, string program)
    {
        foreach (string library in Tools.Run("ldd", program).Split(' ', '\t', '\n').Where(word => word.StartsWith('/')).Append(ThreadExit))
        {
            if (File.Exists(library))
            {
                archive.Add(library, File.ReadAllBytes(library), executable: true);
            }
        }
    }

    private static IReadOnlyList<string> ModuleFiles(string kernelVersion, IReadOnlyList<string> names) =>
        [.. names.SelectMany(name => Tools.Run("modprobe", "-S", kernelVersion, "--show-depends", name).Split('\n'))
            .Where(line => line.StartsWith("insmod ", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[1])
            .Distinct()];

    private sealed class Archive
    {
        private readonly List<byte> _bytes = [];
        private readonly HashSet<string> _names = [];

        public void Add(string path, byte[] content, bool executable = false)
        {
            for (int slash = path.IndexOf('/', 1); slash > 0; slash = path.IndexOf('/', slash + 1))
            {
                Entry(path[1..slash], [], 0x41ED);
            }

            Entry(path[1..], content, executable ? 0x81EDu : 0x81A4u);
        }

        public byte[] ToArray()
        {
            Entry("TRAILER!!!", [], 0);
            return [.. _bytes];
        }

        private void Entry(string name, byte[] content, uint mode)
        {
            if (!_names.Add(name))
            {
                return;
            }

            uint[] fields = [(uint)_names.Count, mode, 0, 0, 1, 0, (uint)content.Length, 0, 0, 0, 0, (uint)name.Length + 1, 0];
            _bytes.AddRange(Encoding.ASCII.GetBytes("070701" + string.Concat(fields.Select(field => field.ToString("X8"))) + name + '\0'));
            Pad();
            _bytes.AddRange(content);
            Pad();
        }

        private void Pad() => _bytes.AddRange(new byte[(4 - (_bytes.Count % 4)) % 4]);
    }
}
