using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Audit;

public sealed class AuditLogTests : IDisposable
{
    private static readonly CancellationToken s_ct = CancellationToken.None;

    private readonly string _folder = Directory.CreateTempSubdirectory("vmcrypt-").FullName;
    private readonly AuditLog _log;

    public AuditLogTests() => _log = new AuditLog(Path.Combine(_folder, "audit.log"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Chains_what_it_is_given()
    {
        AuditReceipt first = await _log.AppendAsync(new AuditEvent("Wipe.Start", "/disks/a.qcow2", "Done") { VM = "web" }, s_ct);
        AuditReceipt second = await _log.AppendAsync(new AuditEvent("Wipe.Finish", "/disks/ä \"b\"\n.qcow2", "Erased"), s_ct);

        AuditReport report = await _log.VerifyAsync(s_ct);

        Assert.True(report.IsUnbroken);
        Assert.Equal((2, second), (report.Entries, report.Head));
        Assert.Equal((1, 2), (first.Sequence, second.Sequence));
    }

    [Fact]
    public async Task The_hash_of_a_line_is_what_the_document_says()
    {
        AuditReceipt receipt = await _log.AppendAsync(new AuditEvent("Test", "x", "Done"), s_ct);

        string line = File.ReadAllText(_log.Path).TrimEnd('\n');

        Assert.Equal(receipt.Hash, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(line)[75..])));
    }

    [Theory]
    [InlineData("\"target\":\"t1\"", "\"target\":\"t9\"", AuditBreakKind.LineDamaged)]
    [InlineData("{\"hash\":\"", "{\"hash\":\"0", AuditBreakKind.LineDamaged)]
    public async Task Finds_a_changed_line(string text, string changed, AuditBreakKind kind)
    {
        await AppendAsync(4);
        File.WriteAllText(_log.Path, new string([.. File.ReadAllText(_log.Path)]).Replace(text, changed, StringComparison.Ordinal));

        AuditReport report = await _log.VerifyAsync(s_ct);

        Assert.Contains(report.Breaks, found => found.Kind == kind);
    }

    [Fact]
    public async Task Finds_a_line_that_was_taken_out()
    {
        await AppendAsync(4);
        string[] lines = File.ReadAllLines(_log.Path);
        File.WriteAllLines(_log.Path, [lines[0], lines[2], lines[3]]);

        AuditBreak found = Assert.Single((await _log.VerifyAsync(s_ct)).Breaks);

        Assert.Equal((2, AuditBreakKind.ChainBroken), (found.Line, found.Kind));
    }

    [Fact]
    public async Task Finds_a_line_that_was_rewritten_with_a_fitting_hash()
    {
        await AppendAsync(3);
        string[] lines = File.ReadAllLines(_log.Path);
        string body = lines[1][75..].Replace("t1", "t9", StringComparison.Ordinal);
        lines[1] = $"{{\"hash\":\"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))}\",{body}";
        File.WriteAllLines(_log.Path, lines);

        AuditBreak found = Assert.Single((await _log.VerifyAsync(s_ct)).Breaks);

        Assert.Equal((3, AuditBreakKind.ChainBroken), (found.Line, found.Kind));
    }

    [Fact]
    public async Task Notices_that_the_newest_entries_are_gone_and_does_not_forget_it()
    {
        await AppendAsync(4);
        File.WriteAllLines(_log.Path, File.ReadAllLines(_log.Path)[..2]);

        AuditReport shortened = await _log.VerifyAsync(s_ct);
        await AppendAsync(1);
        AuditReport later = await _log.VerifyAsync(s_ct);

        Assert.Equal(AuditBreakKind.EntriesMissing, Assert.Single(shortened.Breaks).Kind);
        Assert.Equal(AuditBreakKind.EntriesMissing, Assert.Single(later.Breaks).Kind);
    }

    [Fact]
    public async Task Survives_a_crash_after_every_byte_of_an_append()
    {
        await AppendAsync(2);
        byte[] before = File.ReadAllBytes(_log.Path);
        byte[] headBefore = File.ReadAllBytes(_log.Path + ".head");
        await AppendAsync(1);
        byte[] after = File.ReadAllBytes(_log.Path);

        for (int length = before.Length + 1; length <= after.Length; length++)
        {
            File.WriteAllBytes(_log.Path, after[..length]);
            File.WriteAllBytes(_log.Path + ".head", headBefore);
            bool whole = length >= after.Length - 1;

            AuditReport torn = await _log.VerifyAsync(s_ct);
            Assert.True(torn.IsUnbroken);
            Assert.Equal((whole ? 3 : 2, whole ? 0 : 1), (torn.Entries, torn.TornLines));

            await AppendAsync(1);
            AuditReport repaired = await _log.VerifyAsync(s_ct);
            Assert.True(repaired.IsUnbroken, $"{length}: {string.Join(' ', repaired.Breaks)}");
            Assert.Equal((4, whole ? 0 : 1), (repaired.Entries, repaired.TornLines));
        }
    }

    [Fact]
    public async Task Writers_take_turns()
    {
        await Parallel.ForAsync(0, 40, s_ct, async (i, ct) =>
            await new AuditLog(_log.Path).AppendAsync(new AuditEvent("Test", $"{i}", "Done"), ct));

        AuditReport report = await _log.VerifyAsync(s_ct);

        Assert.True(report.IsUnbroken);
        Assert.Equal(40, report.Entries);
    }

    [Fact]
    public async Task Refuses_an_entry_that_is_larger_than_a_line()
    {
        var large = new AuditEvent("Test", new string('x', 70_000), "Done");
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _log.AppendAsync(large, s_ct));
        Assert.Equal(ErrorIds.AuditEntryTooLarge, error.ErrorId);
    }

    [Fact]
    public async Task A_missing_log_is_missing_and_not_unbroken()
    {
        var error = await Assert.ThrowsAsync<MissingException>(() => _log.VerifyAsync(s_ct));
        Assert.Equal(ErrorIds.FileNotFound, error.ErrorId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a 2")]
    [InlineData("no head at all")]
    public async Task A_head_that_is_none_is_passed_over(string head)
    {
        await AppendAsync(2);
        File.WriteAllText(_log.Path + ".head", head);

        Assert.True((await _log.VerifyAsync(s_ct)).IsUnbroken);
        await AppendAsync(1);
        Assert.Equal(3, (await _log.VerifyAsync(s_ct)).Entries);
    }

    [Fact]
    public async Task Only_its_owner_can_read_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix modes");
        await AppendAsync(1);
        Debug.Assert(!OperatingSystem.IsWindows());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_log.Path));
    }

    private async Task AppendAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            await _log.AppendAsync(new AuditEvent("Test", $"t{i}", "Done"), s_ct);
        }
    }
}
