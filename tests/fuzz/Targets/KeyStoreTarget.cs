using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A key store that a stranger has written: listed, looked up in, and opened with a key that is not its own.</summary>
/// <remarks>Checksums are made good, unless the last byte is odd.</remarks>
internal sealed class KeyStoreTarget : IFuzzTarget
{
    private const int Commit = KeyStoreHeader.PageSize;

    public string Name => "key-store";

    public int MaxLength => 64 * 1024;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "VMCRYKEY", "\0\x01", "\x01\0\0\0", "\x02\0\0\0", "\x03\0\0\0", "[{\"id\":\"", "\"kind\":\"Passphrase\"", "\"memoryKiB\":4194304", "\"passes\":", "\"lanes\":", "\"salt\":\"\"", "null", "\xff\xff\xff\xff", "\0\0\0\0");

    public IReadOnlyList<Field> Fields { get; } =
        [new(8, 2), new(12, 4), new(48, 8), new(56, 8), new(64, 8), new(Commit + 16, 8), new(Commit + 24, 8), new((2 * Commit) + 16, 8), new((2 * Commit) + 24, 8)];

    public byte[] FromSample(byte[] sample) => [.. sample, 0];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            byte[] file = input[..^1].ToArray();
            if ((input[^1] & 1) == 0)
            {
                Repair(file);
            }

            Sync.Wait(RunAsync(file, trace));
        }
    }

    private static async Task RunAsync(byte[] file, Trace trace)
    {
        KeyStoreView view = await KeyStoreView.OpenAsync(new MemoryDevice(file), key: null, default);
        trace.Note("protectors", view.Head.Protectors.Count);
        List<DiskKeyEntry> entries = await view.ListAsync(default);
        trace.Note("entries", entries.Count);
        foreach (DiskKeyEntry entry in entries)
        {
            trace.Note($"{entry.IsRotating} {entry.Disk.LuksUuid is null} {entry.Disk.Image is null} {entry.Slot}", entry.UseCount);
            DefectException.Unless(entry.ToBytes().AsSpan().SequenceEqual(DiskKeyEntry.Parse(entry.ToBytes()).ToBytes()), "A record reads back as another.");
            List<DiskKeyEntry> found = await view.FindAsync(LookupTerm.OfPath(entry.Disk.Path), default);
            DefectException.Unless(found.TrueForAll(other => other.Disk.Path == entry.Disk.Path), "A look-up finds another path.");
        }

        await RefuseAsync(file, view.Head.Id);
    }

    private static async Task RefuseAsync(byte[] file, Guid store)
    {
        using var key = new StoreKey(new SecretBuffer(StoreKey.Size), store);
        try
        {
            await KeyStoreView.OpenAsync(new MemoryDevice(file), key, default);
        }
        catch (InvalidImageException refusal) when (refusal.ErrorId == ErrorIds.KeyStoreForged)
        {
            return;
        }

        throw new DefectException("A store opens under a key that is not its own.");
    }

    private static void Repair(byte[] file)
    {
        if (file.Length < KeyStoreHeader.ProtectorsOffset)
        {
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(72), Crc32C.Of(file.AsSpan(0, 72)));
        for (int commit = Commit; commit <= 2 * Commit; commit += Commit)
        {
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(commit + 96), Crc32C.Of(file.AsSpan(commit, 96)));
        }

        Frames(file, BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(48)), BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(56)));
        Frames(file, BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(56)) + (16 * BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(64))), file.Length);
    }

    private static void Frames(byte[] file, long at, long end)
    {
        long last = Math.Clamp(end, 0, file.Length) - KeyStoreFrame.HeadSize - KeyStoreFrame.TrailSize;
        while (at >= 0 && at < last)
        {
            uint payload = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan((int)at + 4));
            long covered = KeyStoreFrame.HeadSize + payload;
            if (covered > file.Length - at - KeyStoreFrame.TrailSize)
            {
                return;
            }

            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan((int)(at + covered)), Crc32C.Of(file.AsSpan((int)at, (int)covered)));
            at += covered + KeyStoreFrame.TrailSize;
        }
    }
}
