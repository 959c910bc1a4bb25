using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A qcow2 image in the middle of a conversion in place: its journal, and all that goes on from there.</summary>
/// <remarks>
/// An input is the first sector, the two states, the header clusters before and after, then the file from its second sector on. The journal is
/// put where the first sector points to; checksums and, where no key is spoken of, the seal of the states are made right, or nothing would come through.
/// </remarks>
internal sealed class Qcow2ConversionTarget : IFuzzTarget
{
    private const int Sector = ConversionPointer.SectorSize;
    private const int SlotSize = 4096;
    private const int States = 2;
    private const long Hole = 2 << 20;

    public string Name => "qcow2-conversion";

    public int MaxLength => 64 * 1024;

    public IReadOnlyList<byte[]> Words { get; } = [.. Qcow2Words.All, .. Text.Words("VMCJRNL1", "\x56\x4d\x4a\x50\0\0\0\x10", "\0\0\0\x01\0\0\0\0")];

    public IReadOnlyList<Field> Fields { get; } =
    [
        .. Qcow2Words.Fields(0),
        new Field(112 + 8, 8), new Field(112 + 16, 8),
        .. Enumerable.Range(0, States).SelectMany(state => FieldsOfState((state + 1) * Sector)),
        .. Qcow2Words.Fields((States + 1) * Sector),
    ];

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static IEnumerable<Field> FieldsOfState(int start) =>
    [
        .. new[] { 16, 17, 18 }.Select(offset => new Field(start + offset, 1)),
        .. new[] { 8, 24, 32, 40, 48, 56, 64, 72, 80 }.Select(offset => new Field(start + offset, 8)),
    ];

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        Array.Resize(ref input, Math.Max(input.Length, (States + 1) * Sector));
        int cluster = ClusterSizeOf(input);
        int rest = ((States + 1) * Sector) + (2 * cluster);
        Array.Resize(ref input, Math.Max(input.Length, rest));
        byte[] start = [.. input.AsSpan(0, Sector), .. input.AsSpan(rest)];
        var disk = new SparseDisk(start, start.Length + Hole, trace);
        if (await ConversionPointer.FindAsync(disk, default) is { Offset: > 0 } place && place.Offset < disk.Length - (States * SlotSize) - (2 * cluster))
        {
            byte[] headersHash = SHA256.HashData(input.AsSpan(rest - (2 * cluster), 2 * cluster));
            for (int state = 0; state < States; state++)
            {
                await disk.WriteAsync(place.Offset + (state * SlotSize), Complete(input.AsSpan((state + 1) * Sector, Sector), headersHash), default);
            }

            await disk.WriteAsync(place.Offset + (States * SlotSize), input.AsMemory(rest - (2 * cluster), 2 * cluster), default);
        }

        var options = new ReencryptionOptions { Location = DiskLocation.Parse("disk.qcow2"), ZoneLength = 1 << 20, WipeFreed = input[^1] == 1 };
        using var passphrase = SecretBuffer.CopyOf("fuzz"u8);
        await new Qcow2Conversion(options, disk).GoOnAsync(expected: null, [passphrase], progress: null, default);
        trace.Note("finished");
    }

    private static int ClusterSizeOf(ReadOnlySpan<byte> sector) => 1 << (int)Math.Clamp(Qcow2Header.ParseClusterBits(sector), 9, 12);

    private static byte[] Complete(ReadOnlySpan<byte> sector, byte[] headersHash)
    {
        byte[] state = sector.ToArray();
        Checksum(state);
        if (ConversionState.TryParse(state) is { } parsed)
        {
            parsed = parsed with { HeadersHash = headersHash };
            state = (parsed is { Before: null, After: null } ? Qcow2Keys.Seal(null, null, parsed) : parsed).Encode();
        }

        return state;
    }

    private static void Checksum(Span<byte> state) =>
        SHA256.HashData(state[..(ConversionState.Size - SHA256.HashSizeInBytes)], state[(ConversionState.Size - SHA256.HashSizeInBytes)..ConversionState.Size]);
}
