using System.Buffers.Binary;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A wipe journal: the file as it is, or (first byte odd) a plan and a state, parted by a NUL, sealed as this host would have.</summary>
internal sealed class WipeJournalTarget : IFuzzTarget
{
    private readonly ScratchFolder _folder = new();

    public string Name => "wipe-journal";

    public int MaxLength => 64 * 1024;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "VMCWIPE\x01", "null", "[]", "{}", "\0", "-1", "9223372036854775807", "\"kind\":", "\"path\":", "\"passes\":[]", "\"position\":", "\"pass\":", "\"standard\":{", "\"mapDigest\":\"AAAA\"", "\"unwritable\":[]");

    public IReadOnlyList<Field> Fields { get; } = [new(0, 1), new(41, 4)];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            using var key = new SecretBuffer(32);
            byte[] file = (input[0] & 1) == 0 ? input[1..].ToArray() : Sealed(input[1..], key);
            Sync.Wait(RunAsync(_folder.Write("disk.wipe-journal", file), key, trace));
        }
    }

    private static async Task RunAsync(string path, SecretBuffer key, Trace trace)
    {
        (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(path, key, default);
        await using (journal)
        {
            seed.Dispose();
            trace.Note($"{journal.Plan.Kind} {journal.Plan.Verify}", journal.State.Position);
            _ = journal.Plan.ToRequest();
            await journal.SaveAsync(journal.State, default);
        }
    }

    private static byte[] Sealed(ReadOnlySpan<byte> parts, SecretBuffer key)
    {
        int end = parts.IndexOf((byte)0) is >= 0 and var found ? found : parts.Length;
        ReadOnlySpan<byte> state = parts[Math.Min(parts.Length, end + 1)..];
        byte[] salt = new byte[JournalBox.SaltSize];
        using var box = new JournalBox(key, salt);
        byte[] plan = box.Seal("plan"u8, [.. new byte[PassSequence.SeedSize], .. parts[..end]]);
        var header = new JournalHeader(salt, box.Check.ToArray(), plan.Length);
        byte[] file = new byte[header.FileLength];
        header.ToArray().CopyTo(file, 0);
        plan.CopyTo(file, JournalHeader.PlanOffset);

        byte[] sealedState = box.Seal([.. "state"u8, .. BitConverter.GetBytes(1L)], state);
        Span<byte> slot = file.AsSpan((int)header.SlotOffset(1));
        BinaryPrimitives.WriteInt64LittleEndian(slot, 1);
        BinaryPrimitives.WriteInt32LittleEndian(slot[8..], sealedState.Length);
        sealedState.CopyTo(slot[JournalHeader.SlotHeaderSize..]);
        return file;
    }
}
