using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>The disks of qcow2 images that are used while their clusters are converted.</summary>
public sealed class LiveQcow2Tests : IDisposable
{
    private const int Guests = 4;
    private const int Page = 4096;
    private const int Tiny = 512;

    private readonly Scratch _scratch = new();

    public static TheoryData<ReencryptionMode, int, bool> Samples => new()
    {
        { ReencryptionMode.Encrypt, Tiny, false },
        { ReencryptionMode.Encrypt, Page, true },
        { ReencryptionMode.Reencrypt, Tiny, true },
        { ReencryptionMode.Reencrypt, Page, false },
        { ReencryptionMode.Decrypt, Tiny, true },
        { ReencryptionMode.Decrypt, Page, false },
    };

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Guests_find_what_they_wrote_during_the_conversion_and_after_it(ReencryptionMode mode, int clusterSize, bool snapshot)
    {
        Qcow2Sample sample = await CreateAsync(mode, ReencryptionResilience.Checksum, clusterSize, snapshot);
        int meanwhile = 0;
        await using (LiveConversion live = await sample.StartLiveAsync(device => new SlowDevice(device)))
        {
            Assert.Equal(sample.Plain.Length, live.Disk.Length);
            await Task.WhenAll(Enumerable.Range(0, Guests).Select(guest => Task.Run(() => UseAsync(guest, live), Sample.Token)));
            await live.Completion;
        }

        Assert.NotEqual(0, meanwhile);
        await sample.VerifyAsync();

        // The first part is only read.
        async Task UseAsync(int guest, LiveConversion live)
        {
            int part = sample.Plain.Length / Guests;
            int start = guest * part;
            var device = new SubDevice(live.Disk, start, part, ownsInner: false);
            var calls = new RandomCalls(device, sample.Plain[start..(start + part)], seed: guest, largest: part);
            byte[] all = new byte[part];
            bool over;
            do
            {
                over = live.Completion.IsCompleted;
                await calls.RunAsync(guest == 0 ? 0 : 10, Sample.Token);
                await device.ReadAsync(0, all, Sample.Token);
                Assert.Equal(calls.Expected, all);
                await device.FlushAsync(Sample.Token);
                Interlocked.Add(ref meanwhile, over ? 0 : 1);
            }
            while (!over);
            calls.Expected.CopyTo(sample.Plain, start);
        }
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    [InlineData(ReencryptionMode.Decrypt)]
    public async Task Stopped_it_leaves_what_can_be_gone_on_with_and_a_disk_that_is_still_used(ReencryptionMode mode)
    {
        Qcow2Sample sample = await CreateAsync(mode, ReencryptionResilience.Journal, Page, snapshot: true);
        byte[] fresh = [.. Enumerable.Repeat((byte)7, Page)];
        foreach (int round in Enumerable.Range(0, 3))
        {
            var released = new TaskCompletionSource();
            await using LiveConversion live = await sample.StartLiveAsync(device => new HeldDevice(device, isBegun: round > 0, released.Task));
            Task stopping = live.StopAsync();
            released.SetResult();
            await stopping;
            Assert.Equal(LiveConversionState.Stopped, live.State);
            foreach (int at in new[] { 2 * Page, 14 * Page, 20 * Page, 35 * Page, sample.Plain.Length - Page })
            {
                int place = at + (round * Tiny);
                int length = Math.Min(Page, sample.Plain.Length - place);
                await live.Disk.WriteAsync(place, fresh.AsMemory(0, length), Sample.Token);
                fresh.AsSpan(0, length).CopyTo(sample.Plain.AsSpan(place));
            }

            byte[] found = new byte[sample.Plain.Length];
            await live.Disk.ReadAsync(0, found, Sample.Token);
            Assert.Equal(sample.Plain, found);
        }

        Assert.True(await sample.IsUnfinishedAsync());
        await sample.GoOnAsync(resume: true);
        await sample.VerifyAsync();
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Decrypt)]
    public async Task What_cannot_be_ended_fails_for_the_guest_too_and_the_next_run_ends_it(ReencryptionMode mode)
    {
        Qcow2Sample sample = await CreateAsync(mode, ReencryptionResilience.Checksum, Page, snapshot: false);
        byte[] fresh = [.. Enumerable.Repeat((byte)7, Page)];
        await using (LiveConversion live = await sample.StartLiveAsync(device => new SealedHeaderDevice(device)))
        {
            await live.Disk.WriteAsync(30 * Page, fresh, Sample.Token);
            fresh.CopyTo(sample.Plain, 30 * Page);
            var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => live.Completion);
            var refused = await Assert.ThrowsAsync<DeviceFaultException>(() => live.Disk.ReadAsync(0, fresh, Sample.Token).AsTask());
            Assert.Equal((ErrorIds.DeviceIO, ErrorIds.DeviceIO, LiveConversionState.Failed), (fault.ErrorId, refused.ErrorId, live.State));
        }

        await sample.GoOnAsync(resume: true);
        await sample.VerifyAsync();
    }

    [Fact]
    public async Task Nothing_is_begun_of_what_cannot_be_served()
    {
        var overlay = new MemoryDevice(0);
        await Qcow2Builder.CreateAsync(overlay, new Qcow2CreateOptions { Size = 1 << 20, BackingPath = "base.qcow2", BackingFormat = "qcow2" }, Sample.Token);
        Qcow2Sample plain = await Qcow2Sample.CreateAsync(ReencryptionMode.Encrypt);
        await RequireRefusedAsync(Options(_scratch.File("overlay.qcow2", overlay.ToArray())));
        await RequireRefusedAsync(Options(_scratch.File("wiped.qcow2", plain.File.ToArray())) with { WipeFreed = true });
    }

    // Of small clusters only, and only of a disk for which nobody has made room.
    [Fact]
    public async Task What_was_begun_without_a_server_is_not_served_where_its_refcount_table_is_too_small()
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(ReencryptionMode.Encrypt, clusterSize: Tiny);
        await sample.StopHotAsync();
        byte[] before = sample.File.ToArray();

        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => sample.StartLiveAsync());

        Assert.Equal(ErrorIds.LiveConversionUnsupported, refused.ErrorId);
        await sample.With(before).GoOnAsync(resume: true);
    }

    private static async Task RequireRefusedAsync(ReencryptionOptions options)
    {
        byte[] before = await File.ReadAllBytesAsync(options.Location.Text, Sample.Token);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => LiveConversion.ProtectAsync(options, passphrase, Sample.Token));
        Assert.Equal(ErrorIds.LiveConversionUnsupported, refused.ErrorId);
        Assert.Equal(before, await File.ReadAllBytesAsync(options.Location.Text, Sample.Token));
    }

    private static ReencryptionOptions Options(string path) => new()
    {
        Location = DiskLocation.Parse(path),
        Encryption = Sample.Options,
        Version = LuksVersion.Luks1,
    };

    private static async Task<Qcow2Sample> CreateAsync(ReencryptionMode mode, ReencryptionResilience resilience, int clusterSize, bool snapshot)
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(mode, resilience, clusterSize);
        await (snapshot ? sample.TakeSnapshotAsync() : Task.CompletedTask);
        return sample;
    }

    /// <summary>Holds the flushes of zones. Owns the device below.</summary>
    private sealed class HeldDevice(IBlockDevice inner, bool isBegun, Task released) : FilterDevice(inner)
    {
        // That of the first sector, which begins.
        private int _free = isBegun ? 0 : int.MaxValue;

        public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            _free = offset == 0 && buffer.Length == Tiny ? 1 : _free;
            return base.WriteAsync(offset, buffer, cancellationToken);
        }

        public override async ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            await (Interlocked.Decrement(ref _free) < 0 ? released : Task.CompletedTask);
            await base.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Lets the first sector be written once, to begin. Owns the device below.</summary>
    private sealed class SealedHeaderDevice(IBlockDevice inner) : FilterDevice(inner)
    {
        private int _writes;

        public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            offset == 0 && buffer.Length == Tiny && Interlocked.Increment(ref _writes) > 1
                ? throw new DeviceFaultException(ErrorIds.DeviceIO, "The disk fails, as the test planned.")
                : base.WriteAsync(offset, buffer, cancellationToken);
    }
}
