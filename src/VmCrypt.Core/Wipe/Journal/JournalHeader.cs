using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Journal;

/// <summary>The clear start of a journal file; little-endian.</summary>
/// <remarks>
/// <code>
///    0  8   magic "VMCWIPE" 01
///    8  16  salt of the sealing key
///   24  16  check value of the host key
///   40  4   bytes of the sealed plan, which starts at 4096
///   44  4   0
/// The plan's area ends at a multiple of 4096; there begin two slots of 262,144 bytes for the state, written in turns:
///    0  8   sequence, from 1; 0 in a slot never written
///    8  4   bytes of the sealed state behind this
/// </code>
/// </remarks>
internal readonly record struct JournalHeader(byte[] Salt, byte[] Check, int PlanLength)
{
    public const int Size = 48;
    public const int PlanOffset = 4096;
    public const int SlotSize = 256 * 1024;
    public const int SlotHeaderSize = 12;

    private const int MaxPlanLength = 1 << 20;

    private static ReadOnlySpan<byte> Magic => "VMCWIPE\u0001"u8;

    public long FileLength => SlotOffset(2);

    public long SlotOffset(int slot) => PlanOffset + ((PlanLength + 4095L) & ~4095L) + ((long)slot * SlotSize);

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.WipeJournalDamaged"/>.</exception>
    public static JournalHeader Parse(ReadOnlySpan<byte> source, string path)
    {
        var reader = new SpanReader(source);
        if (!reader.Bytes(8).SequenceEqual(Magic))
        {
            throw new InvalidImageException(ErrorIds.WipeJournalDamaged, $"'{path}' is no wipe journal: it does not begin with VMCWIPE and version 1.");
        }

        byte[] salt = reader.Bytes(JournalBox.SaltSize).ToArray();
        byte[] check = reader.Bytes(JournalBox.CheckSize).ToArray();
        uint length = reader.UInt32LittleEndian();
        return length is >= JournalBox.Overhead and <= MaxPlanLength
            ? new JournalHeader(salt, check, (int)length)
            : throw new InvalidImageException(ErrorIds.WipeJournalDamaged,
                $"The plan in '{path}' has {length} bytes; {JournalBox.Overhead} to {MaxPlanLength} are allowed.");
    }

    public byte[] ToArray()
    {
        byte[] target = new byte[Size];
        var writer = new SpanWriter(target);
        writer.Bytes(Magic);
        writer.Bytes(Salt);
        writer.Bytes(Check);
        writer.UInt32LittleEndian((uint)PlanLength);
        return target;
    }
}
