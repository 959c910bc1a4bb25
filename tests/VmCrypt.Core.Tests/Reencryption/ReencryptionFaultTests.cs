using System.Globalization;
using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>What happens to a conversion while it runs, other than its end.</summary>
public sealed class ReencryptionFaultTests : IDisposable
{
    private const long GiB = 1L << 30;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<string> Names => [.. DiskConversion.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_full_file_system_stops_it_and_with_room_it_goes_on(string name) => await FillAsync(await DiskConversion.CreateAsync(name), step: 9);

    /// <summary>Lets the file system be full after every so many writes, and goes on each time.</summary>
    internal static async Task FillAsync(DiskConversion before, int step)
    {
        for (int writes = 0, stopped = 1; stopped > 0; writes += step)
        {
            DiskConversion conversion = before.Clone();
            stopped = 0;
            try
            {
                await conversion.RunAsync(device => new FullDevice(device, writes));
            }
            catch (DeviceFaultException full)
            {
                Assert.Equal(ErrorIds.DiskFull, full.ErrorId);
                stopped++;
            }

            await conversion.RequireSoundAsync();
            await conversion.GoOnAsync(resume: writes % 2 == 1);
            await conversion.VerifyAsync();
        }
    }

    [Theory]
    [InlineData("protect", ReencryptionMode.Encrypt)]
    [InlineData("protect detached", ReencryptionMode.Encrypt)]
    [InlineData("protect luks1", ReencryptionMode.Encrypt)]
    [InlineData("update", ReencryptionMode.Reencrypt)]
    [InlineData("update detached", ReencryptionMode.Reencrypt)]
    [InlineData("update luks1", ReencryptionMode.Reencrypt)]
    [InlineData("unprotect detached", ReencryptionMode.Decrypt)]
    public async Task What_is_left_over_of_one_conversion_is_not_taken_for_another(string name, ReencryptionMode mode)
    {
        DiskConversion before = await DiskConversion.CreateAsync(name);
        int all = await before.Clone().CountAsync();
        int found = 0;
        for (int effects = all - 1; effects > all - 50; effects -= 8)
        {
            DiskConversion conversion = before.Clone();
            Assert.True(await conversion.StopAsync(effects));
            if (!conversion.Shelf.Has(HeaderStage.Active) && await conversion.IsUnfinishedAsync() && (await Luks2ReencryptHeader.OpenAsync((IBlockDevice?)conversion.Header ?? conversion.Data, Sample.Token)).IsDone)
            {
                found++;
                await RequireOthersRefusedAsync(conversion, mode);
                await conversion.GoOnAsync(resume: effects % 16 < 8);
                await conversion.VerifyAsync();
            }
        }

        Assert.NotEqual(0, found);
    }

    [Fact]
    public async Task A_new_key_that_is_cancelled_before_it_begins_leaves_LUKS1_what_it_was()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("update luks1");
        using var stopping = new CancellationTokenSource();
        await using ReencryptedImage image = await conversion.OpenAsync(device => new StoppingDevice(device, stopping));
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(DiskConversion.NewPassphrase);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => DiskReencryption.UpdateKeyAsync(image, old, [next], null, stopping.Token));

        Assert.Equal(LuksVersion.Luks1, LuksHeader.Probe(conversion.Data.ToArray().AsSpan(0, 8)));
        Assert.Equal(conversion.Plain, await conversion.ReadAsync(Sample.Passphrase));
    }

    [Theory]
    [InlineData("update")]
    [InlineData("protect")]
    public async Task A_header_torn_at_any_byte_tells_the_position_before_or_after(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name);
        await conversion.StopHotAsync();
        byte[] before = await ChangeAsync(conversion.Data.ToArray(), header => header.BeginAsync(Sample.Token));
        PayloadPosition hot = await PositionAsync(before);
        byte[] after = await ChangeAsync(before, async header =>
        {
            await header.BeginAsync(Sample.Token);
            await header.CommitAsync(header.Plan.PayloadLength(before.Length), new PayloadPosition(hot.Done + hot.Hot!.Value.Length));
        });
        PayloadPosition next = await PositionAsync(after);
        Assert.NotEqual(hot, next);
        int copies = 2 * new Luks2Disk(before).HeaderSize;

        byte[] torn = [.. before];
        for (int written = 0; written < copies; written++)
        {
            bool changed = torn[written] != after[written];
            torn[written] = after[written];
            // Between two bytes that are the same nothing new can be seen.
            if (changed)
            {
                PayloadPosition found = await PositionAsync(torn);
                Assert.True(found == hot || found == next, $"after byte {written} the header tells {found}");
            }
        }

        async Task<PayloadPosition> PositionAsync(byte[] disk)
        {
            var device = new MemoryDevice(disk);
            var header = await Luks2ReencryptHeader.OpenAsync(device, Sample.Token);
            return header.Position(header.Plan.PayloadLength(device.Length));
        }

        async Task<byte[]> ChangeAsync(byte[] disk, Func<Luks2ReencryptHeader, ValueTask> change)
        {
            var device = new MemoryDevice([.. disk]);
            await change(await Luks2ReencryptHeader.OpenAsync(device, Sample.Token));
            return device.ToArray();
        }
    }

    /// <summary>cryptsetup destroys the old key slots before it ends a re-encryption, and can be stopped between.</summary>
    [Fact]
    public async Task Where_all_is_converted_the_old_key_may_be_gone()
    {
        DiskConversion whole = await DiskConversion.CreateAsync("update");
        int effects = await whole.Clone().CountAsync();
        DiskConversion conversion;
        do
        {
            conversion = whole.Clone();
            await Assert.ThrowsAsync<CrashException>(() => conversion.RunAsync(new CrashPlan(--effects)));
        }
        while (await conversion.PositionAsync() is null);

        var header = await Luks2ReencryptHeader.OpenAsync(conversion.Data, Sample.Token);
        long length = header.Plan.PayloadLength(conversion.Data.Length);
        await header.BeginAsync(Sample.Token);
        await header.CommitAsync(length, new PayloadPosition(length));
        byte[] disk = conversion.Data.ToArray();
        JsonObject metadata = new Luks2Disk(disk).Json();
        foreach (JsonNode? slot in metadata["digests"]![$"{header.Plan.DigestBefore}"]!["keyslots"]!.AsArray())
        {
            JsonNode area = metadata["keyslots"]![slot!.GetValue<string>()]!["area"]!;
            disk.AsSpan(int.Parse(area["offset"]!.GetValue<string>(), CultureInfo.InvariantCulture), int.Parse(area["size"]!.GetValue<string>(), CultureInfo.InvariantCulture)).Clear();
        }

        DiskConversion left = conversion.With(new MemoryDevice(disk), null, null);
        await left.GoOnAsync(resume: true);

        await left.VerifyAsync();
    }

    [Fact]
    public async Task A_second_process_is_refused()
    {
        ReencryptionOptions options = Options(_scratch.File("disk.raw", new byte[1 << 20]));
        await using ReencryptedImage first = await ReencryptedImage.OpenAsync(options, Sample.Token);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);

        var error = await Assert.ThrowsAsync<DeviceBusyException>(() => DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token));

        Assert.Equal(ErrorIds.ImageInUse, error.ErrorId);
    }

    [Fact]
    public async Task A_large_disk_with_little_data_takes_little()
    {
        string path = _scratch["sparse.raw"];
        byte[] data = Enumerable.Range(0, 1 << 20).Select(at => (byte)(at / 7)).ToArray();
        await using (FileDevice file = await FileDevice.CreateAsync(path, new FileCreateOptions { Length = 100 * GiB }, Sample.Token))
        {
            await file.WriteAsync(0, data, Sample.Token);
            await file.WriteAsync(61 * GiB, data, Sample.Token);
        }

        ReencryptionOptions options = Options(path) with { LeaveHoles = true };
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token);
        Assert.InRange(Storage.AllocatedBytes(path), 2 << 20, 80 << 20);
        await DiskReencryption.UpdateKeyAsync(options, passphrase, [passphrase], null, Sample.Token);
        Assert.InRange(Storage.AllocatedBytes(path), 2 << 20, 80 << 20);
        await DiskReencryption.UnprotectAsync(options, passphrase, null, Sample.Token);

        Assert.InRange(Storage.AllocatedBytes(path), 2 << 20, 80 << 20);
        await using FileDevice done = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadOnly, Sample.Token);
        Assert.Equal(100 * GiB, done.Length);
        byte[] found = new byte[data.Length];
        await done.ReadAsync(61 * GiB, found, Sample.Token);
        Assert.Equal(data, found);
    }

    private static async Task RequireOthersRefusedAsync(DiskConversion conversion, ReencryptionMode mode)
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(DiskConversion.NewPassphrase);
        await using ReencryptedImage image = await conversion.OpenAsync(device => device);
        foreach ((ReencryptionMode other, Func<Task> run) in new (ReencryptionMode, Func<Task>)[]
        {
            (ReencryptionMode.Encrypt, () => DiskReencryption.ProtectAsync(image, old, null, Sample.Token)),
            (ReencryptionMode.Reencrypt, () => DiskReencryption.UpdateKeyAsync(image, old, [next], null, Sample.Token)),
            (ReencryptionMode.Decrypt, () => DiskReencryption.UnprotectAsync(image, old, null, Sample.Token)),
        })
        {
            if (other != mode)
            {
                Assert.Equal(ErrorIds.OtherReencryptionUnfinished, (await Assert.ThrowsAsync<RefusedException>(run)).ErrorId);
            }
        }
    }

    private ReencryptionOptions Options(string path) => new()
    {
        Location = DiskLocation.Parse(path),
        Encryption = Sample.Luks2Options with { KeyslotsSize = null },
    };

    /// <summary>Cancels as soon as the header is LUKS2.</summary>
    private sealed class StoppingDevice(IBlockDevice inner, CancellationTokenSource stopping) : FilterDevice(inner)
    {
        public override async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            await base.WriteAsync(offset, buffer, cancellationToken);
            if (offset == 0 && LuksHeader.Probe(buffer.Span[..8]) == LuksVersion.Luks2)
            {
                await stopping.CancelAsync();
            }
        }
    }
}
