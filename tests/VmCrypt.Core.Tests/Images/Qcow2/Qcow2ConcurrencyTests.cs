using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

/// <summary>Many callers at once, in each other's clusters: nobody loses a byte, and the tables stay sound.</summary>
public sealed class Qcow2ConcurrencyTests
{
    private const int DiskBytes = 4 * 1024 * 1024;
    private const int Callers = 8;

    public static TheoryData<int, bool, bool, bool> Kinds => new()
    {
        { 65536, false, false, false },
        { 512, false, false, false },
        { 4096, false, true, true },
        { 16384, true, false, false },
        { 65536, true, true, true },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Neighbours_keep_their_bytes(int clusterSize, bool extendedL2, bool encrypted, bool overlay)
    {
        byte[] backing = new byte[DiskBytes];
        new Random(5).NextBytes(backing);
        byte[] model = overlay ? [.. backing] : new byte[DiskBytes];
        MemoryDevice file = new(await Sample.CreateAsync(new Qcow2CreateOptions
        {
            Size = DiskBytes,
            ClusterSize = clusterSize,
            ExtendedL2 = extendedL2,
            EncryptionHeaderLength = encrypted ? 4096 : 0,
            BackingPath = overlay ? "base" : null,
            BackingFormat = overlay ? "raw" : null,
        }));
        await using (IBlockDevice image = AlignedDevice.Over(await Sample.OpenAsync(new YieldingDevice(file), Sample.Writable, backing)))
        {
            // The disk in slices of uneven length, dealt out in turns: every caller's slices touch the others'.
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => RunCallerAsync(image, model, caller))));

            Assert.Equal(model, await Sample.ReadAllAsync(image));
        }

        await Sample.CheckAsync(file.ToArray());
        await using Qcow2Image reopened = await Sample.OpenAsync(file, backing: backing);
        Assert.Equal(model, await Sample.ReadAllAsync(reopened));
    }

    private static async Task RunCallerAsync(IBlockDevice image, byte[] model, int caller)
    {
        var random = new Random(caller);
        const int Slice = 9973;
        for (int turn = 0; turn < 3; turn++)
        {
            for (int start = caller * Slice; start + Slice <= DiskBytes; start += Callers * Slice)
            {
                int offset = start + random.Next(Slice / 2);
                int count = random.Next(1, start + Slice - offset);
                switch (random.Next(12))
                {
                    case < 6:
                        random.NextBytes(model.AsSpan(offset, count));
                        await image.WriteAsync(offset, model.AsMemory(offset, count), Sample.Token);
                        break;
                    case < 8:
                        model.AsSpan(offset, count).Clear();
                        await image.ZeroAsync(offset, count, ZeroFlags.None, Sample.Token);
                        break;
                    case < 9:
                        await image.TrimAsync(offset, count, Sample.Token);
                        await image.ReadAsync(offset, model.AsMemory(offset, count), Sample.Token);
                        break;
                    case < 11:
                        byte[] read = new byte[count];
                        await image.ReadAsync(offset, read, Sample.Token);
                        Assert.True(read.AsSpan().SequenceEqual(model.AsSpan(offset, count)), $"caller {caller} at {offset}");
                        break;
                    default:
                        await image.FlushAsync(Sample.Token);
                        break;
                }
            }
        }
    }

    /// <summary>Lets others go first at every access, so that calls really interleave.</summary>
    private sealed class YieldingDevice(IBlockDevice inner) : IBlockDevice
    {
        public long Length => inner.Length;

        public BlockTraits Traits => inner.Traits;

        public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            await Task.Yield();
            await inner.ReadAsync(offset, buffer, cancellationToken);
            await Task.Yield();
        }

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            await Task.Yield();
            await inner.WriteAsync(offset, buffer, cancellationToken);
            await Task.Yield();
        }

        public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
        {
            await Task.Yield();
            await inner.ZeroAsync(offset, count, flags, cancellationToken);
        }

        public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
        {
            await Task.Yield();
            await inner.TrimAsync(offset, count, cancellationToken);
        }

        public async ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            await Task.Yield();
            await inner.FlushAsync(cancellationToken);
        }

        public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
            inner.ExtentsAsync(offset, count, cancellationToken);

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => inner.SetLengthAsync(length, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
