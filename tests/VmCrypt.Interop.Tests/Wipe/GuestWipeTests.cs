using System.Text.Json;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Wipes within a guest, whose kernel has what the host's may lack, and where a peer that takes whole disks can do no harm.</summary>
public sealed class GuestWipeTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_device_with_bad_sectors_is_wiped_around_them()
    {
        byte[] before = WipeLab.Noise(4 * MiB);
        string disk = _scratch.File("disk.raw", before);
        using GuestVm guest = GuestVm.Boot(_scratch, new GuestOptions
        {
            Modules = ["virtio_pci", "virtio_blk", "ext4", "dm_mod"],
            Programs = ["dmsetup"],
            MemoryMiB = 768,
            Arguments = ["-drive", $"file={disk},format=raw,if=virtio,cache=writethrough", "-drive", $"file={MakeRoot()},format=raw,if=virtio,snapshot=on"],
            Script = """
                mount -t ext4 /dev/vdb /mnt
                for folder in dev proc sys; do mount --bind /$folder /mnt/$folder; done
                mount -t tmpfs none /mnt/tmp
                printf '0 3000 linear /dev/vda 0\n3000 8 error\n3008 5184 linear /dev/vda 3008\n' | dmsetup create --noudevsync bad; dmsetup mknodes
                export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_TieredPGO=0 VMCRYPT_CONFIG=/tmp/config
                echo RESULT $(chroot /mnt /dotnet/dotnet exec /vmcrypt/vmcrypt.dll Invoke-SecureWipe /dev/mapper/bad One -Json '-Confirm:$false' 2>/tmp/error) END $(cat /tmp/error)
                """,
        });

        string log = await guest.WaitForAsync("END");
        await guest.WaitForExitAsync();

        string line = log.Split('\n').First(text => text.StartsWith("RESULT", StringComparison.Ordinal));
        Assert.True(line.Contains("RESULT {", StringComparison.Ordinal), line);
        JsonElement result = JsonDocument.Parse(line["RESULT".Length..line.IndexOf(" END", StringComparison.Ordinal)]).RootElement;
        Assert.Equal("ErasedWithExceptions", result.GetProperty("Status").GetString());
        JsonElement bad = Assert.Single(result.GetProperty("Findings").EnumerateArray(), finding => finding.GetProperty("Kind").GetString() == "Unwritable");
        Assert.Equal(4096, bad.GetProperty("Bytes").GetInt64());
        Assert.Equal("dm-0", result.GetProperty("Target").GetProperty("Disk").GetProperty("Name").GetString());
        byte[] after = File.ReadAllBytes(disk);
        Assert.Equal(before.AsSpan(1_536_000, 4096), after.AsSpan(1_536_000, 4096));
        after.AsSpan(1_536_000, 4096).Fill(0xFF);
        Assert.Equal(-1, after.AsSpan().IndexOfAnyExcept((byte)0xFF));
    }

    // nwipe that asks nothing takes every disk unless it is given one: in a guest there is none that anybody needs.
    [Fact]
    public async Task Nwipe_writes_the_same_passes_and_finds_nothing_left()
    {
        string zeros = _scratch.File("zeros.img", WipeLab.Noise(MiB));
        using var lab = new WipeLab();
        await lab.WipeAsync(zeros, "Zero");
        (string Method, string Standard)[] names = [("dodshort", "DoD-nwipe"), ("dod522022m", "DoD7-nwipe"), ("ops2", "RCMP-nwipe"), ("gutmann", "Gutmann-nwipe")];
        using GuestVm guest = GuestVm.Boot(_scratch, new GuestOptions
        {
            Modules = ["virtio_pci", "virtio_blk"],
            Programs = ["nwipe", "strace"],
            Arguments = ["-drive", $"file={_scratch.File("disk.raw", new byte[MiB])},format=raw,if=virtio", "-drive", $"file={zeros},format=raw,if=virtio"],
            Script = $$"""
                for method in {{string.Join(' ', names.Select(name => name.Method))}}; do
                  strace -f -xx -s 12 -e trace=write,lseek -o /tmp/trace nwipe --autonuke --nogui --noblank --verify=off --logfile=/tmp/log --method=$method /dev/vda >/dev/null 2>&1
                  # The first block of each pass.
                  echo PASSES $method $(awk '/lseek\([0-9]*, 0, SEEK_SET/ { start = 1 } start && /write\([0-9]*, .*, 4096\)/ { split($0, part, "\""); print part[2]; start = 0 }' /tmp/trace)
                done
                nwipe --autonuke --nogui --logfile=/tmp/log --method=verify_zero /dev/vdb >/dev/null 2>&1
                echo VERDICT $(grep -o 'Verified that /dev/vdb is Zeroed' /tmp/log)
                echo DONE
                """,
        });

        string[] log = (await guest.WaitForAsync("DONE")).Split('\n', StringSplitOptions.TrimEntries);

        Assert.Contains("VERDICT Verified that /dev/vdb is Zeroed", log);
        Assert.All(names, name => AssertSame(
            WipeStandards.BuiltIn[name.Standard],
            [.. log.Single(line => line.StartsWith($"PASSES {name.Method} ", StringComparison.Ordinal)).Split(' ').Skip(2).Select(block => Convert.FromHexString(block.Replace("\\x", null, StringComparison.Ordinal)))]));
    }

    /// <param name="theirs">The first bytes of each pass.</param>
    private static void AssertSame(WipeStandard ours, byte[][] theirs)
    {
        Assert.Equal(ours.Passes.Count, theirs.Length);
        if (ours.Shuffle is var (first, last))
        {
            // In any order, but the same ones.
            Assert.Equal(Hex(ours.Passes.Take((first - 1)..last).Select(pass => Repeated(pass.Pattern))), Hex(theirs.Take((first - 1)..last)));
        }

        foreach ((int index, WipePass pass) in ours.Passes.Index().Where(one => ours.Shuffle is not var (from, to) || one.Index + 1 < from || one.Index + 1 > to))
        {
            byte[] block = theirs[index];
            Assert.True(pass.Kind switch
            {
                WipePassKind.Pattern => block.SequenceEqual(Repeated(pass.Pattern)),
                WipePassKind.RandomByte => block.Distinct().Count() == 1,
                WipePassKind.Complement => block.SequenceEqual(theirs[pass.Of - 1].Select(value => (byte)~value)),
                _ => block.Distinct().Count() > 3,
            }, $"pass {index + 1} of {ours.Name} is {pass}, and nwipe writes {Convert.ToHexString(block)}");
        }
    }

    private static byte[] Repeated(ReadOnlyMemory<byte> pattern) => [.. Enumerable.Range(0, 12).Select(i => pattern.Span[i % pattern.Length])];

    private static IEnumerable<string> Hex(IEnumerable<byte[]> blocks) => blocks.Select(Convert.ToHexString).Order(StringComparer.Ordinal);

    // A file system with the .NET runtime and the command line, to be rooted in.
    private string MakeRoot()
    {
        Tools.Require("mkfs.ext4");
        string root = _scratch["root"];
        foreach (string folder in new[] { "dev", "proc", "sys", "tmp", "lib64", "lib/x86_64-linux-gnu" })
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }

        string runtime = System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/');
        string dotnet = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));
        Copy(runtime, Path.Combine(root, "dotnet/shared/Microsoft.NETCore.App", Path.GetFileName(runtime)));
        Copy(Path.Combine(dotnet, "host"), Path.Combine(root, "dotnet/host"));
        Tools.Run("cp", Path.Combine(dotnet, "dotnet"), Path.Combine(root, "dotnet"));
        Copy(Path.GetDirectoryName(Kill.Vmcrypt.Program)!, Path.Combine(root, "vmcrypt"));
        string[] needed = [Path.Combine(dotnet, "dotnet"), Path.Combine(runtime, "libcoreclr.so"), Path.Combine(runtime, "libSystem.Native.so"), "/usr/lib/x86_64-linux-gnu/libssl.so.3"];
        Assert.SkipUnless(needed.All(File.Exists), "the libraries that .NET needs lie elsewhere here");
        foreach (string library in needed.SelectMany(Libraries).Append(needed[^1]).Distinct())
        {
            Tools.Run("cp", "--dereference", library, Path.Combine(root, library.Contains("ld-linux", StringComparison.Ordinal) ? "lib64" : "lib/x86_64-linux-gnu"));
        }

        Tools.Run("truncate", "--size", "300M", _scratch["root.img"]);
        Tools.Run("mkfs.ext4", "-q", "-O", "^has_journal", "-d", root, _scratch["root.img"]);
        return _scratch["root.img"];
    }

    private static IEnumerable<string> Libraries(string file) =>
        Tools.Run("ldd", file).Split(' ', '\t', '\n').Where(word => word.StartsWith('/') && File.Exists(word));

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        Tools.Run("cp", "--recursive", "--dereference", from, to);
    }
}
