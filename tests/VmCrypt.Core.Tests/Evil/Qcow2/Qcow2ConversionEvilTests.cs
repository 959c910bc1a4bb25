using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Reencryption;

namespace VmCrypt.Core.Tests.Evil.Qcow2;

/// <summary>Journals of conversions in place with one thing changed, their checksums made right again.</summary>
public sealed class Qcow2ConversionEvilTests
{
    private const int PointerOffset = 112 + 8;

    // One stopped conversion serves all rows; each works on a copy.
    private static readonly Lazy<Task<Qcow2Sample>> s_stopped = new(async () =>
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(ReencryptionMode.Reencrypt);
        await sample.StopHotAsync();
        return sample;
    });

    private static readonly Dictionary<string, (string ErrorId, Func<ConversionState, ConversionState> Change)> s_states = new(StringComparer.Ordinal)
    {
        ["mode turned into a decryption"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Mode = (byte)ReencryptionMode.Decrypt }),
        ["mode unknown"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { Mode = 3 }),
        ["resilience turned into a journal"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Resilience = 1 }),
        ["resilience unknown"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { Resilience = 2 }),
        ["end behind the file"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { End = 1L << 40 }),
        ["end before the first cluster"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { End = 0 }),
        ["end elsewhere"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { End = state.End - 4096 }),
        ["less done"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Done = 0 }),
        ["more done"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Done = state.End }),
        ["more done than there is"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { Done = state.End + 1 }),
        ["less than nothing done"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { Done = -1 }),
        ["zone elsewhere"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { HotOffset = 0 }),
        ["zone behind the end"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { HotOffset = state.End }),
        ["zone of nothing"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { HotLength = 0 }),
        ["zone of less than nothing"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { HotLength = -512 }),
        ["record of another hash"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { RecordHash = new byte[32] }),
        ["headers of another hash"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { HeadersHash = new byte[32] }),
        ["no key before"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Before = null }),
        ["no key after"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { After = null }),
        ["keys exchanged"] = (ErrorIds.Qcow2ConversionUnproven, state => state with { Before = state.After, After = state.Before }),
        ["LUKS header behind the file"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { After = new Qcow2EncryptionHeader(1L << 40, 4096) }),
        ["LUKS header within a cluster"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { After = new Qcow2EncryptionHeader(4096 + 512, 4096) }),
        ["LUKS header of 1 GiB"] = (ErrorIds.Qcow2ConversionInvalid, state => state with { After = new Qcow2EncryptionHeader(4096, 1 << 30) }),
    };

    public static TheoryData<string> States => [.. s_states.Keys];

    public static TheoryData<string, long, long> Pointers => new()
    {
        { "behind the file", 1L << 40, 65536 },
        { "at the header", 0, 65536 },
        { "within a cluster", 4096 + 512, 65536 },
        { "too short for its headers", 4096, 4096 },
        { "longer than the file", 4096, 1L << 40 },
        { "of less than nothing", 4096, -4096 },
        { "somewhere else", 4096, 65536 },
    };

    [Theory]
    [MemberData(nameof(States))]
    public async Task A_changed_state_is_not_gone_on_with(string row)
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        ConversionJournal journal = await sample.JournalAsync();
        (string expected, Func<ConversionState, ConversionState> change) = s_states[row];
        byte[] evil = change(journal.State).Encode();
        foreach (int slot in new[] { 0, 4096 })
        {
            await sample.File.WriteAsync(journal.Place.Offset + slot, evil, Sample.Token);
        }

        await AssertRefusedAsync(sample, expected);
    }

    [Theory]
    [MemberData(nameof(Pointers))]
    public async Task A_journal_that_lies_elsewhere_is_not_gone_on_with(string where, long offset, long length)
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        byte[] pointer = new byte[16];
        BinaryPrimitives.WriteInt64BigEndian(pointer, offset);
        BinaryPrimitives.WriteInt64BigEndian(pointer.AsSpan(8), length);
        await sample.File.WriteAsync(PointerOffset, pointer, Sample.Token);

        Assert.NotEmpty(where);
        await AssertRefusedAsync(sample, ErrorIds.Qcow2ConversionInvalid);
    }

    [Fact]
    public async Task A_state_torn_at_any_byte_leaves_the_one_before()
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        ConversionJournal journal = await sample.JournalAsync();
        ConversionState last = journal.State;
        ConversionState next = last with { Sequence = last.Sequence + 1, Done = last.HotOffset + last.HotLength, HotOffset = 0, HotLength = 0 };
        byte[] written = next.Encode();
        byte[] torn = new byte[written.Length];
        long slot = journal.Place.Offset + ((long)(next.Sequence % 2) * 4096);
        await sample.File.ReadAsync(slot, torn, Sample.Token);

        for (int bytes = 0; bytes < ConversionState.Size; bytes++)
        {
            torn[bytes] = written[bytes];
            await sample.File.WriteAsync(slot, torn, Sample.Token);
            Assert.Equal(bytes == ConversionState.Size - 1 ? next.Sequence : last.Sequence, (await sample.JournalAsync()).State.Sequence);
        }
    }

    [Fact]
    public async Task Without_a_change_it_is_gone_on_with()
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();

        await sample.ResumeAsync();

        await sample.VerifyAsync();
    }

    private static async Task AssertRefusedAsync(Qcow2Sample sample, string expected)
    {
        byte[] before = sample.File.ToArray();

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(sample.ResumeAsync);

        Assert.Equal(expected, error.ErrorId);
        Assert.Equal(before, sample.File.ToArray());
    }
}
