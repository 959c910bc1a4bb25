using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;

namespace VmCrypt.Build;

/// <summary>The main job from end to end with <c>vmcrypt</c>: an encrypted disk, its key slots, data in and out, and a VM that boots from it.</summary>
internal static class Demo
{
    private const string Size = "64MB";

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);
    private static readonly string s_folder = Path.Combine(Layout.Output, "demo");
    private static readonly string s_disk = In("demo.qcow2");
    private static readonly string s_first = In("first.passphrase");
    private static readonly string s_second = In("second.passphrase");
    private static readonly string s_keyFile = In("backup.key");

    public static int Run()
    {
        ProductBuild.Run();
        Prepare();

        Say("An encrypted disk");
        Vmcrypt("New-EncryptedImage", "-Path", s_disk, "-Size", Size, "-Passphrase", $"file:{s_first}");

        Say("A second key slot, for a key file; then another passphrase in the place of the first");
        Vmcrypt("Add-KeySlot", "-Path", s_disk, "-Passphrase", $"file:{s_first}", "-NewKeyFile", s_keyFile);
        Vmcrypt("Set-KeySlot", "-Path", s_disk, "-Passphrase", $"file:{s_first}", "-NewPassphrase", $"file:{s_second}");
        Vmcrypt("Get-KeySlot", "-Path", s_disk);

        Say("Data in and out of the unlocked disk, over NBD");
        string written = In("boot.raw");
        string read = In("read.raw");
        using (Process server = Serve(out string uri))
        {
            Console.WriteLine($"unlocked as {uri}");
            Vmcrypt("Convert-Image", "-Path", written, "-Format", "Raw", "-Destination", uri, "-DestinationFormat", "Raw", "-Plain", "-Force");
            Vmcrypt("Convert-Image", "-Path", uri, "-Format", "Raw", "-Destination", read, "-DestinationFormat", "Raw", "-Plain");
            Vmcrypt("Lock-Image", "-Path", s_disk);
            Require(server.WaitForExit(s_limit), "the server did not end");
        }

        Require(SameStart(written, read), "what was read from the disk is not what was written");
        Console.WriteLine("read back what was written");

        Say("The libvirt secret of the disk");
        Vmcrypt("New-LibvirtSecretXml", "-Usage", "Volume", "-Name", s_disk);

        CheckWithQemu();
        Boot();
        Console.WriteLine($"\nThe disk and its secrets are in {Path.GetRelativePath(Layout.Root, s_folder)}.");
        return 0;
    }

    private static void Prepare()
    {
        if (Directory.Exists(s_folder))
        {
            Directory.Delete(s_folder, recursive: true);
        }

        Directory.CreateDirectory(s_folder);
        File.WriteAllText(s_first, "correct horse battery staple\n");
        File.WriteAllText(s_second, "the passphrase from now on");
        File.WriteAllBytes(s_keyFile, RandomNumberGenerator.GetBytes(64));
        File.WriteAllBytes(In("boot.raw"), BootSector.Disk());
    }

    // The server announces itself by one line of JSON, then serves until it is told to stop.
    private static Process Serve(out string uri)
    {
        Process server = Tool.StartCaptured(Layout.Vmcrypt, "Unlock-Image", "-Path", s_disk, "-Passphrase", $"file:{s_second}", "-Json");
        string line = server.StandardOutput.ReadLine() ?? throw new BuildException($"the disk was not unlocked: {server.StandardError.ReadToEnd()}");
        uri = JsonDocument.Parse(line).RootElement.GetProperty("Uri").GetString()!;
        return server;
    }

    private static void CheckWithQemu()
    {
        if (Tool.Find("qemu-img") is null)
        {
            Console.WriteLine("\nqemu-img is not installed, so QEMU is not asked about the disk.");
            return;
        }

        Say("QEMU about the same disk");
        Tool.MustRun("qemu-img", ["check", .. Secret, "--image-opts", $"{Driver},file.driver=file,file.filename={s_disk}"]);
        Tool.MustRun("qemu-img", ["compare", .. Secret, "--image-opts", $"{Driver},file.driver=file,file.filename={s_disk}", $"driver=raw,file.driver=file,file.filename={In("read.raw")}"]);
    }

    private static void Boot()
    {
        if (Tool.Find("qemu-system-x86_64") is null)
        {
            Console.WriteLine("\nqemu-system-x86_64 is not installed, so no VM is started.");
            return;
        }

        Say("A VM that boots from it");
        // KVM where a guest really comes up under it: nested, it may open and then hang.
        string[] accelerators = File.Exists("/dev/kvm") ? ["kvm", "tcg"] : ["tcg"];
        string? booted = accelerators.FirstOrDefault(Boots);
        Require(booted is not null, "the VM did not boot from the disk");
        Console.WriteLine($"the VM ({booted}) says: {BootSector.Message}");
    }

    private static bool Boots(string accelerator)
    {
        string console = In($"console-{accelerator}.log");
        File.WriteAllText(console, string.Empty);
        using Process vm = Tool.StartCaptured("qemu-system-x86_64",
            ["-accel", accelerator, "-m", "64", "-nodefaults", "-display", "none", "-serial", $"file:{console}", .. Secret.Select(word => word.Replace("--object", "-object")),
            "-blockdev", $"{Driver},node-name=disk,file.driver=file,file.filename={s_disk}", "-device", "virtio-blk-pci,drive=disk"]);
        try
        {
            TimeSpan patience = TimeSpan.FromSeconds(accelerator == "kvm" ? 10 : 60);
            var clock = Stopwatch.StartNew();
            while (clock.Elapsed < patience && !vm.HasExited)
            {
                using var reader = new StreamReader(new FileStream(console, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
                if (reader.ReadToEnd().Contains(BootSector.Message, StringComparison.Ordinal))
                {
                    return true;
                }

                Thread.Sleep(100);
            }

            return false;
        }
        finally
        {
            vm.Kill();
            vm.WaitForExit();
        }
    }

    private static string Driver => "driver=qcow2,encrypt.format=luks,encrypt.key-secret=key";

    private static string[] Secret => ["--object", $"secret,id=key,file={s_second}"];

    private static bool SameStart(string written, string read)
    {
        byte[] expected = File.ReadAllBytes(written);
        return File.ReadAllBytes(read).AsSpan(0, expected.Length).SequenceEqual(expected);
    }

    private static void Vmcrypt(params string[] arguments)
    {
        Console.WriteLine($"> vmcrypt {string.Join(' ', arguments.Select(word => word.Replace(s_folder + Path.DirectorySeparatorChar, string.Empty)))}");
        Require(Tool.Run(s_limit, Layout.Vmcrypt, arguments) == 0, $"vmcrypt {arguments[0]} failed");
    }

    private static void Require(bool fact, string otherwise)
    {
        if (!fact)
        {
            throw new BuildException(otherwise);
        }
    }

    private static void Say(string heading) => Console.WriteLine($"\n== {heading}");

    private static string In(string name) => Path.Combine(s_folder, name);
}
