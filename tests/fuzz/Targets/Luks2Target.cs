using System.Buffers.Binary;
using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A LUKS2 header at the start of a disk of 32 MiB: described, opened, its key slots, tokens and labels changed.</summary>
/// <remarks>
/// The first byte says what happens to the header behind it: bit 0 repairs the checksums, bit 1 makes the second copy of the first, bit 2
/// has key slots added and destroyed, which takes a hundred times as long as all the rest.
/// Samples have the volume key 00 01 02 …, which opens them without a passphrase.
/// </remarks>
internal sealed class Luks2Target : IFuzzTarget
{
    private const byte RepairChecksums = 1;
    private const byte CopyFirst = 2;
    private const byte ChangeSlots = 4;

    private const int BinarySize = 4096;
    private const int OffsetField = 256;
    private const int ChecksumField = 448;
    private const int ChecksumLength = 64;
    private const long DiskSize = 32 * 1024 * 1024;
    private const long MaxIterations = 1100;
    private const long MaxMemoryKiB = 64;

    private static readonly KdfCost s_cost = KdfCost.OfIterations(KdfCost.MinIterations);

    public string Name => "luks2";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "LUKS\xba\xbe\0\x02", "SKUL\xba\xbe\0\x02", "sha256\0", "sha512\0", "\"keyslots\":{", "\"tokens\":{", "\"segments\":{", "\"digests\":{", "\"config\":{",
        "\"0\":", "\"1\":", "\"31\":", "\"32\":", "\"type\":\"luks2\"", "\"reencrypt\"", "\"crypt\"", "\"linear\"", "\"dynamic\"", "\"offset\":\"", "\"size\":\"", "\"json_size\":\"12288\"",
        "\"keyslots_size\":\"", "\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]}", "\"flags\":[\"allow-discards\"]", "\"backup-previous\"", "\"backup-final\"", "\"in-reencryption\"",
        "\"iv_tweak\":\"", "\"sector_size\":4096", "\"encryption\":\"aes-xts-plain64\"", "\"integrity\":{\"type\":\"hmac(sha256)\"}", "\"kdf\":{", "\"argon2id\"", "\"pbkdf2\"", "\"time\":4",
        "\"memory\":32", "\"cpus\":1", "\"iterations\":1000", "\"salt\":\"", "\"stripes\":4000", "\"hash\":\"sha256\"", "\"priority\":2", "18446744073709551615", "4294967296", "-1", "1e3",
        "null", "true", "[]", "{}", "[\"0\"]", "\\ud800", "\\u0000", ",", "{", "}", "\"");

    public IReadOnlyList<Field> Fields { get; } = [new(0, 1), new(7, 2), new(9, 8), new(17, 8), new(257, 8)];

    public byte[] FromSample(byte[] sample) => [RepairChecksums | CopyFirst | ChangeSlots, .. sample];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            byte[] header = input[1..].ToArray();
            Mend(header, input[0]);
            Sync.Wait(RunAsync(header, (input[0] & ChangeSlots) != 0, trace));
        }
    }

    private static void Mend(byte[] header, byte how)
    {
        ulong size = header.Length < BinarySize ? 0 : BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(8));
        if (size is < BinarySize or > 1 << 22 || 2 * size > (ulong)header.Length)
        {
            return;
        }

        Span<byte> first = header.AsSpan(0, (int)size);
        Span<byte> second = header.AsSpan((int)size, (int)size);
        if ((how & CopyFirst) != 0)
        {
            first.CopyTo(second);
            "SKUL"u8.CopyTo(second);
            BinaryPrimitives.WriteUInt64BigEndian(second[OffsetField..], size);
        }

        if ((how & RepairChecksums) != 0)
        {
            Seal(first);
            Seal(second);
        }
    }

    private static void Seal(Span<byte> copy)
    {
        copy.Slice(ChecksumField, ChecksumLength).Clear();
        SHA256.HashData(copy, copy.Slice(ChecksumField, ChecksumLength));
    }

    private static async Task RunAsync(byte[] input, bool changesSlots, Trace trace)
    {
        await using var disk = new SparseDisk(input, input.Length < BinarySize ? input.Length : DiskSize, trace);
        foreach (LuksPlacement placement in Enum.GetValues<LuksPlacement>())
        {
            var options = new LuksOpenOptions { Placement = placement };
            LuksFacts facts = await LuksHeader.DescribeAsync(disk, options, default);
            trace.Note($"{placement} {facts.Unusable?.ErrorId} {facts.DamagedCopy?.ErrorId}", facts.Slots.Length);
            if (facts.Unusable is null)
            {
                LuksHeader header = await LuksHeader.OpenAsync(disk, options, default);
                await DiskReader.TryAsync(trace, () => ReadAsync(header, disk, trace));
                await DiskReader.TryAsync(trace, () => ChangeAsync(header, trace));
                if (changesSlots && header.Facts.DigestIterations <= MaxIterations)
                {
                    await DiskReader.TryAsync(trace, () => ChangeSlotsAsync(header));
                }
            }
        }
    }

    private static async Task ReadAsync(LuksHeader header, SparseDisk disk, Trace trace)
    {
        if (header.Facts.DigestIterations <= MaxIterations)
        {
            using SecretBuffer raw = VolumeKeyOf(header);
            using VolumeKey key = await header.UnlockWithVolumeKeyAsync(raw, default);
            await using IBlockDevice plain = LuksPayloadDevice.Over(disk, key, ownsContents: false);
            trace.Note("payload", plain.Length);
            await plain.ReadAsync(0, new byte[(int)Math.Min(plain.Length, 8192)], default);
        }

        if (header.Slots.All(slot => slot.Iterations <= MaxIterations && slot.MemoryKiB <= MaxMemoryKiB && slot.Iterations * Math.Max(1, slot.MemoryKiB) <= MaxIterations * 4))
        {
            using SecretBuffer passphrase = Text.Secret("fuzz");
            (await header.UnlockAsync(passphrase, slot: null, default)).Key.Dispose();
        }
    }

    /// <summary>What a change has put into the header must be there when it is read again, and nothing else may be lost.</summary>
    private static async Task ChangeAsync(LuksHeader header, Trace trace)
    {
        trace.Note($"repaired {await header.RepairAsync(default)}");
        await header.SetLabelAsync("label", "fuzz", default);
        int token = await header.AddTokenAsync("{\"type\":\"fuzz\",\"keyslots\":[]}", number: null, default);
        DefectException.Unless(header.Facts.Label == "label" && header.Facts.Tokens.Any(added => added.Number == token), "A change of the header is lost.");
        await header.SetTokenAsync(token, "{\"type\":\"again\",\"keyslots\":[]}", default);
        await header.RemoveTokenAsync(token, default);
    }

    private static async Task ChangeSlotsAsync(LuksHeader header)
    {
        using SecretBuffer passphrase = Text.Secret("added");
        using SecretBuffer raw = VolumeKeyOf(header);
        using VolumeKey key = await header.UnlockWithVolumeKeyAsync(raw, default);
        int before = header.Slots.Count;
        int slot = await header.AddSlotAsync(key, passphrase, slot: null, s_cost, default);
        (await header.UnlockAsync(passphrase, slot, default)).Key.Dispose();
        await header.RemoveSlotAsync(slot, force: true, default);
        DefectException.Unless(header.Slots.Count == before, "A slot was lost with another.");
    }

    private static SecretBuffer VolumeKeyOf(LuksHeader header) => SecretBuffer.CopyOf([.. Enumerable.Range(0, header.Payload.KeySize).Select(at => (byte)at)]);
}
