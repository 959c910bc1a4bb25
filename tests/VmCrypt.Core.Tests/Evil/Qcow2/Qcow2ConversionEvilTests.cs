using System.Buffers.Binary;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
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
    public async Task A_record_torn_at_any_byte_is_that_of_a_zone_that_was_not_begun()
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        ConversionJournal journal = await sample.JournalAsync();
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(Qcow2Sample.NewPassphrase);
        using Qcow2Keys keys = await Qcow2Keys.UnlockAsync(sample.File, journal.State, [old, next], Sample.Token);
        ZoneProtection protection = Qcow2Conversion.ProtectionOf(ReencryptionResilience.Checksum, journal.RecordCapacity);
        byte[] record = new byte[protection.RecordLength(journal.State.HotLength)];
        await sample.File.ReadAsync(journal.RecordOffset, record, Sample.Token);
        Assert.NotNull((await PositionAsync()).Hot);

        for (int at = 0; at < record.Length; at++)
        {
            record[at] ^= 1;
            await sample.File.WriteAsync(journal.RecordOffset, record, Sample.Token);
            Assert.Equal(new PayloadPosition(journal.State.Done), await PositionAsync());
            record[at] ^= 1;
        }

        async Task<PayloadPosition> PositionAsync() =>
            (await Qcow2Journal.OpenAsync(sample.File, journal, keys, protection, Sample.Token)).Position(journal.State.End);
    }

    [Fact]
    public async Task Headers_changed_at_any_byte_are_not_believed()
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        ConversionJournal journal = await sample.JournalAsync();
        long headers = journal.Place.Offset + 8192;
        byte[] one = new byte[1];

        for (long at = headers; at < journal.RecordOffset; at++)
        {
            await sample.File.ReadAsync(at, one, Sample.Token);
            one[0] ^= 1;
            await sample.File.WriteAsync(at, one, Sample.Token);
            var error = await Assert.ThrowsAsync<InvalidImageException>(() => journal.ReadHeadersAsync(Sample.Token).AsTask());
            Assert.Equal(ErrorIds.Qcow2ConversionInvalid, error.ErrorId);
            one[0] ^= 1;
            await sample.File.WriteAsync(at, one, Sample.Token);
        }
    }

    [Fact]
    public async Task Two_states_that_are_both_torn_leave_nothing_to_go_on_with()
    {
        Qcow2Sample sample = (await s_stopped.Value).Clone();
        ConversionJournal journal = await sample.JournalAsync();
        byte[] state = journal.State.Encode();

        for (int at = 0; at < ConversionState.Size; at++)
        {
            state[at] ^= 1;
            await sample.File.WriteAsync(journal.Place.Offset, state, Sample.Token);
            await sample.File.WriteAsync(journal.Place.Offset + 4096, state, Sample.Token);
            var error = await Assert.ThrowsAsync<InvalidImageException>(sample.JournalAsync);
            Assert.Equal(ErrorIds.Qcow2ConversionInvalid, error.ErrorId);
            state[at] ^= 1;
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
