using VmCrypt.Core.Block;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Keys;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>A rotation stops after each of its writes: a passphrase works, and the same call again brings it to its end.</summary>
public sealed class KeyRotationCrashTests : IDisposable
{
    private const string Keeper = "keeper";
    private const string Second = "second";

    // What a server serves cannot grow, and a qcow2 image that holds the header as data takes new clusters.
    private const int Growth = 1 << 20;

    private readonly Scratch _scratch = new();

    public static TheoryData<SlotDiskKind> Kinds => [.. Enum.GetValues<SlotDiskKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Whatever_is_left_one_passphrase_works_and_the_second_call_ends_with_the_new_one(SlotDiskKind kind)
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, kind);
        await disk.AddAsync(Keeper, slot: 2);
        DiskHistory history = await DiskHistory.RecordAsync([.. File.ReadAllBytes(_scratch["disk"]), .. new byte[Growth]], RotateOverNbdAsync);

        foreach (MemoryDevice left in Crashes(history))
        {
            File.WriteAllBytes(_scratch["left"], left.ToArray());
            var survivor = new SlotDisk(DiskLocation.Parse(_scratch["left"]));
            Assert.True(await survivor.OpensAsync(SlotDisk.Passphrase) || await survivor.OpensAsync(Second));

            await survivor.ChangeAsync(SlotDisk.Passphrase, Second);

            Assert.False(await survivor.OpensAsync(SlotDisk.Passphrase));
            Assert.True(await survivor.OpensAsync(Second));
            Assert.True(await survivor.OpensAsync(Keeper));
            Assert.Equal(2, (await survivor.SlotsAsync()).Length);
        }
    }

    public void Dispose() => _scratch.Dispose();

    // The service opens what it changes by name; a server puts a name to a device that takes notes.
    private static async Task RotateOverNbdAsync(IBlockDevice device)
    {
        await using TestServer server = await TestServer.StartAsync(device);
        await new SlotDisk(DiskLocation.Parse(server.Uri.ToString())).ChangeAsync(SlotDisk.Passphrase, Second);
    }

    // The passes that erase are all alike: the first of them says it all.
    private static IEnumerable<MemoryDevice> Crashes(DiskHistory history)
    {
        const int Telling = 14;
        foreach (int count in Enumerable.Range(0, history.Count + 1).Where(i => i <= Telling || i == history.Count))
        {
            yield return history.After(count);
            yield return history.AfterPowerCut(count, seed: count);
        }
    }
}
