using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>Disks that are used while they are converted.</summary>
public sealed class LiveConversionTests : IDisposable
{
    private const int Page = 4096;

    // Who uses which part of the disk: of that in a container the last one has whole blocks, and the others share one.
    private static readonly double[] s_parts = [0, 0.25, 0.5, 0.75, 1];
    private static readonly double[] s_containedParts = [0, 0.1, 0.2, 1];

    private static readonly byte[] s_qcow2 = [.. "QFI"u8, 0xfb, 0, 0, 0, 3, .. new byte[504]];

    private readonly Scratch _scratch = new();

    public static TheoryData<string> Names =>
    [
        .. DiskConversion.Names,
        "protect vhdx wiped", "protect vhd wiped", "protect vhdfixed", "protect vhd detached journal",
        "unprotect vhdx wiped", "unprotect vhd wiped", "unprotect vhdfixed", "update vhdx4k",
    ];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Guests_find_what_they_wrote_during_the_conversion_and_after_it(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: DiskConversion.LiveLength(name));
        double[] parts = conversion.IsContained ? s_containedParts : s_parts;
        int meanwhile = 0;
        await using (LiveConversion live = await conversion.StartLiveAsync(device => new SlowDevice(device)))
        {
            Assert.Equal(conversion.Plain.Length, live.Disk.Length);
            await Task.WhenAll(Enumerable.Range(0, parts.Length - 1).Select(guest => Task.Run(() => UseAsync(guest, live), Sample.Token)));
            await live.Completion;
        }

        Assert.NotEqual(0, meanwhile);
        await conversion.VerifyAsync();

        // The first part is only read, by who never waits for a zone but while it is overwritten.
        async Task UseAsync(int guest, LiveConversion live)
        {
            int start = StartOf(guest);
            int part = StartOf(guest + 1) - start;
            var device = new SubDevice(live.Disk, start, part, ownsInner: false);
            var calls = new RandomCalls(device, conversion.Plain[start..(start + part)], seed: guest, largest: part);
            byte[] page = new byte[Page];
            bool over;
            do
            {
                over = live.Completion.IsCompleted;
                for (int at = 0; guest == 0 && at < part; at += Page)
                {
                    await device.ReadAsync(at, page, Sample.Token);
                    Assert.Equal(conversion.Plain[at..(at + Page)], page);
                }

                await calls.RunAsync(guest == 0 ? 0 : 10, Sample.Token);
                await device.FlushAsync(Sample.Token);
                meanwhile += over ? 0 : 1;
            }
            while (!over);
            calls.Expected.CopyTo(conversion.Plain, start);
        }

        int StartOf(int guest) => (int)(parts[guest] * conversion.Plain.Length) & -Page;
    }

    [Theory]
    [InlineData("protect")]
    [InlineData("unprotect")]
    [InlineData("update journal")]
    public async Task Stopped_it_leaves_what_can_be_gone_on_with_and_a_disk_that_is_still_used(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: DiskConversion.LiveLength(name));
        byte[] fresh = [.. Enumerable.Repeat((byte)7, Page)];
        await using (LiveConversion live = await conversion.StartLiveAsync(device => new SlowDevice(device)))
        {
            await live.StopAsync();
            Assert.Equal(LiveConversionState.Stopped, live.State);
            foreach (int at in new[] { conversion.Plain.Length / 2, conversion.Plain.Length - Page })
            {
                await live.Disk.WriteAsync(at, fresh, Sample.Token);
                fresh.CopyTo(conversion.Plain, at);
            }
        }

        Assert.True(await conversion.IsUnfinishedAsync());
        await using (LiveConversion live = await conversion.StartLiveAsync(device => device))
        {
            await live.Completion;
            byte[] found = new byte[conversion.Plain.Length];
            await live.Disk.ReadAsync(0, found, Sample.Token);
            Assert.Equal(conversion.Plain, found);
        }

        await conversion.VerifyAsync();
    }

    [Theory]
    [InlineData("update")]
    [InlineData("update detached")]
    [InlineData("protect")]
    [InlineData("unprotect detached journal")]
    public async Task Where_it_fails_the_rest_of_the_disk_stays_in_use_and_the_next_run_finishes(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: DiskConversion.LiveLength(name));
        var tripped = new TaskCompletionSource();
        int usable = 0;
        await using (LiveConversion live = await conversion.StartLiveAsync(device => new FailingDevice(device, tripped.Task)))
        {
            tripped.SetResult();
            var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => live.Completion);
            Assert.Equal(ErrorIds.DeviceIO, fault.ErrorId);

            byte[] fresh = [.. Enumerable.Repeat((byte)7, 512)];
            for (int at = Page; at < conversion.Plain.Length; at += Page)
            {
                try
                {
                    await live.Disk.WriteAsync(at, fresh, Sample.Token);
                    fresh.CopyTo(conversion.Plain, at);
                    usable++;
                }
                catch (DeviceFaultException broken)
                {
                    Assert.Equal(ErrorIds.DeviceIO, broken.ErrorId);
                }
            }
        }

        Assert.InRange(usable, conversion.Plain.Length / Page / 2, (conversion.Plain.Length / Page) - 2);
        await conversion.ResumeAsync();
        await conversion.VerifyAsync();
    }

    [Theory]
    [InlineData("protect")]
    [InlineData("protect vhdx")]
    [InlineData("protect vhd")]
    public async Task A_full_file_system_takes_nothing_from_the_guest_of_a_disk_that_moves(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name, length: DiskConversion.LiveLength(name));
        await using (LiveConversion live = await conversion.StartLiveAsync(device => new FullForZonesDevice(device, conversion.LiveZoneLength)))
        {
            var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => live.Completion);
            Assert.Equal((ErrorIds.DiskFull, LiveConversionState.Failed), (fault.ErrorId, live.State));
            byte[] fresh = [.. Enumerable.Repeat((byte)7, Page)];
            for (int at = Page; at < conversion.Plain.Length; at += 3 * Page)
            {
                await live.Disk.WriteAsync(at, fresh, Sample.Token);
                fresh.CopyTo(conversion.Plain, at);
            }
        }

        Assert.NotNull((await conversion.PositionAsync())?.Hot);
        await conversion.ResumeAsync();
        await conversion.VerifyAsync();
    }

    [Fact]
    public async Task Others_are_refused_meanwhile_and_most_containers_at_all()
    {
        ReencryptionOptions options = Options(_scratch.File("disk.raw", new byte[1 << 20]));
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await using (await LiveConversion.ProtectAsync(options, passphrase, Sample.Token))
        {
            var busy = await Assert.ThrowsAsync<DeviceBusyException>(() => LiveConversion.ProtectAsync(options, passphrase, Sample.Token));
            Assert.Equal(ErrorIds.ImageInUse, busy.ErrorId);
        }

        ReencryptionOptions vmdk = Options(_scratch.File("disk.vmdk", [.. "KDMV"u8, .. new byte[1 << 20]]));
        var container = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => LiveConversion.ProtectAsync(vmdk, passphrase, Sample.Token));
        var holes = await Assert.ThrowsAsync<InvalidInputException>(() => LiveConversion.ProtectAsync(options with { LeaveHoles = true }, passphrase, Sample.Token));
        Assert.Equal((ErrorIds.LiveConversionUnsupported, ErrorIds.InvalidParameter), (container.ErrorId, holes.ErrorId));
    }

    [Theory]
    [InlineData("")]
    [InlineData("vhdx")]
    public async Task It_can_be_described_at_every_moment(string container)
    {
        byte[] disk = new byte[2 << 20];
        byte[] file = SampleContainer.Of(container) is { } kind ? await kind.WrapAsync(disk) : disk;
        ReencryptionOptions options = Options(_scratch.File("disk", file)) with { HeaderPath = _scratch["disk.luks"], ZoneLength = 64 << 10, Format = SampleContainer.Of(container)?.Format ?? ImageFormat.Raw };
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        var opening = new DiskOpenOptions { HeaderPath = options.HeaderPath, Format = options.Format };
        var percents = new List<double>();
        await using LiveConversion live = (await LiveConversion.ProtectAsync(options, passphrase, Sample.Token))!;
        while (!live.Completion.IsCompleted)
        {
            ImageDescription found = await ImageInspector.DescribeAsync(options.Location, opening, Sample.Token);
            Assert.True(found.InUse);
            percents.Add(found.Conversion?.Percent ?? 100);
        }

        await live.Completion;
        Assert.Equal(percents.Order(), percents);
    }

    [Fact]
    public async Task A_guest_does_not_make_an_image_of_a_disk_that_becomes_plain()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("unprotect", length: DiskConversion.LiveLength("unprotect"));
        await using LiveConversion live = await conversion.StartLiveAsync(device => device);
        var refused = await Assert.ThrowsAsync<RefusedException>(() => live.Disk.WriteAsync(0, s_qcow2, Sample.Token).AsTask());

        Assert.Equal(ErrorIds.RawHeaderWrite, refused.ErrorId);
    }

    private static ReencryptionOptions Options(string path) => new()
    {
        Location = DiskLocation.Parse(path),
        Encryption = Sample.Luks2Options with { KeyslotsSize = null },
    };

    /// <summary>Has room for the first zones of a conversion. Owns the device below.</summary>
    private sealed class FullForZonesDevice(IBlockDevice inner, int zone) : FilterDevice(inner)
    {
        private int _zones = 3;

        public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            buffer.Length == zone && Interlocked.Decrement(ref _zones) < 0
                ? throw new DeviceFaultException(ErrorIds.DiskFull, "The file system is full, as the test planned.")
                : base.WriteAsync(offset, buffer, cancellationToken);
    }

    /// <summary>Once tripped, fails a single flush: which data the storage has kept nobody knows. Owns the device below.</summary>
    private sealed class FailingDevice(IBlockDevice inner, Task tripped) : FilterDevice(inner)
    {
        private int _flushes;

        public override async ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), cancellationToken);
            await base.FlushAsync(cancellationToken);
            if (tripped.IsCompleted && Interlocked.Increment(ref _flushes) == 3)
            {
                throw new DeviceFaultException(ErrorIds.DeviceIO, "The disk fails, as the test planned.");
            }
        }
    }
}
