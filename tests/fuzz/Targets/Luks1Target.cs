using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A LUKS1 header at the start of a disk: described, opened in every placement, unlocked, its key slots changed.</summary>
/// <remarks>Samples are opened by the passphrase "fuzz"; what the input does not hold of its disk of 4 MiB is a hole.</remarks>
internal sealed class Luks1Target : IFuzzTarget
{
    private const int HeaderSize = 592;
    private const long DiskSize = 4 * 1024 * 1024;
    private const long MaxIterations = 1100;

    private static readonly KdfCost s_cost = KdfCost.OfIterations(KdfCost.MinIterations);

    public string Name => "luks1";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "LUKS\xba\xbe", "aes\0", "twofish\0", "serpent\0", "cast5\0", "xts-plain64\0", "cbc-essiv:sha256\0", "cbc-plain\0", "ctr-plain64be\0", "ecb\0",
        "sha1\0", "sha224\0", "sha256\0", "sha384\0", "sha512\0", "ripemd160\0", "whirlpool\0", "\x00\xac\x71\xf3", "\x00\x00\xde\xad", "\x00\x00\x0f\xa0");

    public IReadOnlyList<Field> Fields { get; } =
    [
        new(6, 2), new(104, 4), new(108, 4), new(164, 4),
        .. Enumerable.Range(0, 8).SelectMany(slot => new[] { 0, 4, 40, 44 }, (slot, field) => new Field(208 + (slot * 48) + field, 4)),
    ];

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        await using var disk = new SparseDisk(input, input.Length < HeaderSize ? input.Length : Math.Max(DiskSize, input.Length), trace);
        foreach (LuksPlacement placement in Enum.GetValues<LuksPlacement>())
        {
            var options = new LuksOpenOptions { Placement = placement };
            LuksFacts facts = await LuksHeader.DescribeAsync(disk, options, default);
            if (facts.Unusable is { } reason)
            {
                trace.Note($"{placement} {reason.ErrorId}");
                continue;
            }

            LuksHeader header = await LuksHeader.OpenAsync(disk, options, default);
            trace.Note($"{placement} {header.Payload.Cipher} {header.Hash}");
            await UnlockAsync(header, disk, trace);
        }
    }

    private static async Task UnlockAsync(LuksHeader header, SparseDisk disk, Trace trace)
    {
        if (header.Facts.DigestIterations > MaxIterations || header.Slots.Any(slot => slot.IsActive && slot.Iterations > MaxIterations))
        {
            return;
        }

        try
        {
            using SecretBuffer passphrase = Text.Secret("fuzz");
            Unlocked unlocked = await header.UnlockAsync(passphrase, slot: null, default);
            using VolumeKey key = unlocked.Key;
            trace.Note("unlocked", unlocked.Slot);
            await using IBlockDevice plain = LuksPayloadDevice.Over(disk, key, ownsContents: false);
            await plain.ReadAsync(0, new byte[(int)Math.Min(plain.Length, 4096)], default);
            await ChangeSlotsAsync(header, key, unlocked.Slot);
        }
        catch (VmCryptException reason)
        {
            trace.Note(reason.ErrorId);
        }
    }

    /// <summary>After all changes the first passphrase must still work, as long as its slot was not the one removed.</summary>
    private static async Task ChangeSlotsAsync(LuksHeader header, VolumeKey key, int own)
    {
        using SecretBuffer passphrase = Text.Secret("fuzz");
        using SecretBuffer second = Text.Secret("second");
        int added = await header.AddSlotAsync(key, second, slot: null, s_cost, default);
        await header.RemoveSlotAsync(added, force: false, default);
        Unlocked again = await header.UnlockAsync(passphrase, own, default);
        again.Key.Dispose();
    }
}
