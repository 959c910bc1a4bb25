using System.Collections.Immutable;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Journal;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class WipeJournalTests : IDisposable
{
    private static readonly CancellationToken s_ct = CancellationToken.None;
    private static readonly RangeMap s_map = new([new ByteRange(0, 1 << 20)]);

    private readonly Scratch _scratch = new();
    private readonly SecretBuffer _hostKey = SecretBuffer.Random(32);
    private readonly SecretBuffer _seed = SecretBuffer.Random(PassSequence.SeedSize);

    private string JournalPath => _scratch["disk.img.wipe-journal"];

    public void Dispose()
    {
        _scratch.Dispose();
        _hostKey.Dispose();
        _seed.Dispose();
    }

    [Fact]
    public async Task Gives_back_what_was_saved_last()
    {
        await SaveAsync(State(1, 4096), State(2, 8192), State(3, 12288));

        (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(JournalPath, _hostKey, s_ct);
        await using (journal)
        {
            Assert.True(seed.FixedTimeEquals(_seed.Span));
            Assert.Equal((3, 12288L, true), (journal.State.Pass, journal.State.Position, journal.State.Verifying));
            Assert.Equal("0x00", Assert.Single(journal.State.Passes).Content);
            Assert.Equal([new ByteRange(512, 1024)], journal.State.Unwritable.Ranges);
            Assert.Equal(WipeStandards.BuiltIn["DoD7"].ToRow().Passes, journal.Plan.Standard.Passes);
            Assert.Equal((AfterWipe.Delete, "web"), (journal.Plan.After, journal.Plan.VM));
            Assert.Equal((FindingKind.SharedExtents, 4096L), (Assert.Single(journal.Plan.Known).Kind, journal.Plan.Known[0].Bytes));
        }

        seed.Dispose();
    }

    [Fact]
    public async Task Is_made_by_the_first_save_and_gone_when_deleted()
    {
        await using WipeJournal journal = Create();
        Assert.False(File.Exists(JournalPath));
        await journal.SaveAsync(State(1, 0), s_ct);
        Assert.True(File.Exists(JournalPath));
        await journal.DeleteAsync();
        Assert.Empty(Directory.EnumerateFiles(_scratch.Folder));
    }

    [Fact]
    public async Task Holds_no_secret_in_the_clear()
    {
        await SaveAsync(State(1, 0));
        byte[] file = File.ReadAllBytes(JournalPath);
        Assert.Equal(-1, file.AsSpan().IndexOf(_seed.Span));
        Assert.Equal(-1, file.AsSpan().IndexOf("disk.img"u8));
    }

    [Fact]
    public async Task A_torn_save_falls_back_to_the_one_before()
    {
        await SaveAsync(State(1, 1000), State(2, 2000));
        byte[] before = File.ReadAllBytes(JournalPath);
        await SaveMoreAsync(State(3, 3000));
        byte[] after = File.ReadAllBytes(JournalPath);
        int[] changed = [.. Enumerable.Range(0, after.Length).Where(i => after[i] != before[i])];

        foreach (int cut in new[] { changed[0] + 1, changed[0] + 9, changed[changed.Length / 2], changed[^1] })
        {
            File.WriteAllBytes(JournalPath, [.. after[..cut], .. before[cut..]]);
            Assert.Equal(2000, (await StateAsync()).Position);
        }

        File.WriteAllBytes(JournalPath, after);
        Assert.Equal(3000, (await StateAsync()).Position);
    }

    [Fact]
    public async Task Two_damaged_slots_mean_from_the_start()
    {
        await SaveAsync(State(1, 1000), State(2, 2000));
        byte[] file = File.ReadAllBytes(JournalPath);
        Array.Clear(file, file.Length - (2 * JournalHeader.SlotSize), 2 * JournalHeader.SlotSize);
        File.WriteAllBytes(JournalPath, file);
        Assert.Equal((1, 0L), ((await StateAsync()).Pass, (await StateAsync()).Position));
    }

    [Fact]
    public async Task A_state_that_another_version_sealed_counts_as_damaged()
    {
        await SaveAsync(State(1, 1000));
        byte[] file = File.ReadAllBytes(JournalPath);
        JournalHeader header = JournalHeader.Parse(file, JournalPath);
        using var box = new JournalBox(_hostKey, header.Salt);
        byte[] state = box.Seal([.. "state"u8, .. BitConverter.GetBytes(2L)], "{\"pass\":2,\"mood\":\"good\"}"u8);
        byte[] slot = [.. BitConverter.GetBytes(2L), .. BitConverter.GetBytes(state.Length), .. state];
        slot.CopyTo(file, header.SlotOffset(0));
        File.WriteAllBytes(JournalPath, file);

        Assert.Equal(1000, (await StateAsync()).Position);
    }

    [Theory]
    [InlineData(0, 0x57, ErrorIds.WipeJournalDamaged)] // magic
    [InlineData(7, 0x02, ErrorIds.WipeJournalDamaged)] // version
    [InlineData(8, null, ErrorIds.WipeJournalKeyWrong)] // salt
    [InlineData(24, null, ErrorIds.WipeJournalKeyWrong)] // check value
    [InlineData(40, 0x05, ErrorIds.WipeJournalDamaged)] // length of the plan: too small
    [InlineData(43, 0x7F, ErrorIds.WipeJournalDamaged)] // too large
    [InlineData(4096, null, ErrorIds.WipeJournalDamaged)] // nonce of the plan
    [InlineData(4096 + 12, null, ErrorIds.WipeJournalDamaged)] // tag
    [InlineData(4096 + 100, null, ErrorIds.WipeJournalDamaged)] // ciphertext
    public async Task Refuses_a_changed_byte(int offset, int? value, string expected)
    {
        await SaveAsync(State(1, 0));
        byte[] file = File.ReadAllBytes(JournalPath);
        file[offset] = value is { } set && file[offset] != set ? (byte)set : (byte)(file[offset] ^ 0x55);
        if (offset == 40)
        {
            file.AsSpan(41, 3).Clear();
        }

        File.WriteAllBytes(JournalPath, file);
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => WipeJournal.OpenAsync(JournalPath, _hostKey, s_ct));
        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(47)]
    [InlineData(5000)]
    [InlineData(100_000)]
    public async Task Refuses_a_cut_file(int length)
    {
        await SaveAsync(State(1, 0));
        File.WriteAllBytes(JournalPath, File.ReadAllBytes(JournalPath)[..length]);
        var error = await Assert.ThrowsAsync<InvalidImageException>(() => WipeJournal.OpenAsync(JournalPath, _hostKey, s_ct));
        Assert.Equal(ErrorIds.WipeJournalDamaged, error.ErrorId);
    }

    [Fact]
    public async Task Refuses_another_hosts_key()
    {
        await SaveAsync(State(1, 0));
        using SecretBuffer other = SecretBuffer.Random(32);
        var error = await Assert.ThrowsAsync<WrongKeyException>(() => WipeJournal.OpenAsync(JournalPath, other, s_ct));
        Assert.Equal(ErrorIds.WipeJournalKeyWrong, error.ErrorId);
    }

    [Theory]
    [InlineData("file inode=8 born=2", 1 << 20)]
    [InlineData("file inode=7 born=1", 1 << 20)]
    [InlineData("file inode=7 born=2", 1 << 21)]
    public void Refuses_another_disk(string identity, int length)
    {
        WipeJournal journal = Create();
        var error = Assert.Throws<RefusedException>(() => journal.RequireTarget(identity, new RangeMap([new ByteRange(0, length)])));
        Assert.Equal(ErrorIds.WipeJournalForeign, error.ErrorId);
    }

    [Fact]
    public void Refuses_to_go_on_in_another_way()
    {
        WipeJournal journal = Create();
        journal.RequireTarget("file inode=7 born=2", s_map);
        journal.RequireSame(WipeStandards.BuiltIn["DoD7"], null);
        foreach ((string name, VerifyMode? verify) in new[] { ("DoD", (VerifyMode?)null), ("DoD7", VerifyMode.None) })
        {
            var error = Assert.Throws<RefusedException>(() => journal.RequireSame(WipeStandards.BuiltIn[name], verify));
            Assert.Equal(ErrorIds.WipeJournalPending, error.ErrorId);
        }
    }

    [Fact]
    public async Task The_longest_state_fits()
    {
        ImmutableArray<ByteRange> ranges = [.. Enumerable.Range(0, Defects.MaxListed).Select(i => new ByteRange(long.MaxValue - 4096 - i, 1 << 30))];
        var list = new DefectList(long.MaxValue, ranges);
        await SaveAsync(State(1, 0) with
        {
            Unwritable = list,
            Unreadable = list,
            Mismatched = list,
            Passes = [.. Enumerable.Range(1, WipeStandard.MaxPasses).Select(number => Pass(number) with { Content = new string('F', 2 * WipePass.MaxPattern) })],
        });
        Assert.Equal(ranges, (await StateAsync()).Mismatched.Ranges);
    }

    private WipeJournal Create() => WipeJournal.Create(
        JournalPath,
        new JournalPlan
        {
            Kind = TargetKind.File,
            Path = _scratch["disk.img"],
            Identity = "file inode=7 born=2",
            Length = 1 << 20,
            MapDigest = s_map.Digest(),
            PhysicalDigest = null,
            Standard = WipeStandards.BuiltIn["DoD7"].ToRow(),
            Verify = VerifyMode.LastPass,
            BytesPerSecond = 0,
            Idle = false,
            After = AfterWipe.Delete,
            AllowLinks = false,
            HeaderPath = null,
            VM = "web",
            Known = [new WipeFinding(FindingKind.SharedExtents, FindingWeight.Exception, "Shared.") { Bytes = 4096 }],
            Started = DateTimeOffset.UnixEpoch,
        },
        _seed,
        _hostKey);

    private async Task SaveAsync(params RunState[] states)
    {
        await using WipeJournal journal = Create();
        foreach (RunState state in states)
        {
            await journal.SaveAsync(state, s_ct);
        }
    }

    private async Task SaveMoreAsync(RunState state)
    {
        (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(JournalPath, _hostKey, s_ct);
        seed.Dispose();
        await using (journal)
        {
            await journal.SaveAsync(state, s_ct);
        }
    }

    private async Task<RunState> StateAsync()
    {
        (WipeJournal journal, SecretBuffer seed) = await WipeJournal.OpenAsync(JournalPath, _hostKey, s_ct);
        seed.Dispose();
        await journal.DisposeAsync();
        return journal.State;
    }

    private static RunState State(int pass, long position) => new()
    {
        Pass = pass,
        Verifying = true,
        Position = position,
        Passes = [Pass(1)],
        Unwritable = new DefectList(1024, [new ByteRange(512, 1024)]),
    };

    private static PassReport Pass(int number) => new() { Number = number, Content = "0x00", Started = DateTimeOffset.UnixEpoch, WrittenBytes = 7 };
}
