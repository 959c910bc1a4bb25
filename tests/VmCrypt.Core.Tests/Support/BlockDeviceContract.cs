using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Support;

/// <summary>What every writable device must do; a test class per device derives from it and says how one is made.</summary>
public abstract class BlockDeviceContract
{
    private protected const int Size = 512 * 1024;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A writable device that holds <paramref name="content"/>, a multiple of 4096 bytes.</summary>
    protected abstract ValueTask<IBlockDevice> CreateAsync(byte[] content);

    [Fact]
    public async Task Reads_what_is_there()
    {
        byte[] content = Noise(Size);
        await using IBlockDevice device = await CreateAsync(content);

        Assert.Equal(content.Length, device.Length);
        Assert.Equal(content, await ReadAllAsync(device));
        Assert.Equal(content[8192..12288], await ReadAsync(device, 8192, 4096));
    }

    [Fact]
    public async Task Writes_what_it_is_told_and_nothing_beside()
    {
        byte[] model = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. model]);
        byte[] fresh = Noise(12288, seed: 2);
        fresh.CopyTo(model, 4096);

        await device.WriteAsync(4096, fresh, Token);
        await device.FlushAsync(Token);

        Assert.Equal(model, await ReadAllAsync(device));
    }

    [Theory]
    [InlineData(ZeroFlags.None)]
    [InlineData(ZeroFlags.KeepAllocated)]
    public async Task Zeroes_what_it_is_told_and_nothing_beside(ZeroFlags flags)
    {
        byte[] model = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. model]);
        model.AsSpan(4096, 200 * 1024).Clear();

        await device.ZeroAsync(4096, 200 * 1024, flags, Token);

        Assert.Equal(model, await ReadAllAsync(device));
    }

    [Fact]
    public async Task Trims_nothing_beside()
    {
        byte[] model = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. model]);

        await device.TrimAsync(65536, 131072, Token);

        byte[] after = await ReadAllAsync(device);
        Assert.Equal(model[..65536], after[..65536]);
        Assert.Equal(model[196608..], after[196608..]);
    }

    [Fact]
    public async Task Extents_cover_the_range_in_order_and_holes_read_as_zeros()
    {
        byte[] content = Noise(Size);
        content.AsSpan(131072, 131072).Clear();
        await using IBlockDevice device = await CreateAsync(content);
        await device.ZeroAsync(131072, 131072, ZeroFlags.None, Token);

        long at = 4096;
        await foreach (Extent extent in device.ExtentsAsync(at, Size - 8192, Token))
        {
            Assert.Equal(at, extent.Offset);
            Assert.True(extent.Length > 0);
            at = extent.End;
            if (extent.Kind != ExtentKind.Data)
            {
                Assert.All(await ReadAsync(device, extent.Offset, (int)extent.Length), value => Assert.Equal(0, value));
            }
        }

        Assert.Equal(Size - 4096, at);
    }

    [Theory]
    [InlineData(-4096, 4096)]
    [InlineData(Size, 4096)]
    [InlineData(Size - 4096, 8192)]
    [InlineData(long.MaxValue - 4095, 4096)]
    public async Task Refuses_ranges_outside(long offset, int count)
    {
        byte[] content = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. content]);

        await FailsAsync(ErrorIds.OutOfRange, () => device.ReadAsync(offset, new byte[count], Token));
        await FailsAsync(ErrorIds.OutOfRange, () => device.WriteAsync(offset, new byte[count], Token));
        await FailsAsync(ErrorIds.OutOfRange, () => device.ZeroAsync(offset, count, ZeroFlags.None, Token));
        await FailsAsync(ErrorIds.OutOfRange, () => device.TrimAsync(offset, count, Token));
        await FailsAsync(ErrorIds.OutOfRange, async () => await device.ExtentsAsync(offset, count, Token).GetAsyncEnumerator(Token).MoveNextAsync());
        Assert.Equal(content, await ReadAllAsync(device));
    }

    [Fact]
    public async Task Calls_of_no_bytes_do_nothing_even_at_the_end()
    {
        byte[] content = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. content]);

        await device.ReadAsync(Size, Memory<byte>.Empty, Token);
        await device.WriteAsync(Size, ReadOnlyMemory<byte>.Empty, Token);
        await device.ZeroAsync(Size, 0, ZeroFlags.None, Token);
        await device.TrimAsync(Size, 0, Token);
        Assert.False(await device.ExtentsAsync(Size, 0, Token).GetAsyncEnumerator(Token).MoveNextAsync());

        Assert.Equal(content, await ReadAllAsync(device));
    }

    [Fact]
    public async Task Unaligned_calls_work_or_are_refused_as_the_traits_say()
    {
        byte[] model = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. model]);
        if (device.Traits.RequiredAlignment > 1)
        {
            await FailsAsync(ErrorIds.Misaligned, () => device.ReadAsync(1, new byte[4096], Token));
            await FailsAsync(ErrorIds.Misaligned, () => device.WriteAsync(4096, new byte[100], Token));
            await FailsAsync(ErrorIds.Misaligned, () => device.ZeroAsync(100, 4096, ZeroFlags.None, Token));
        }
        else
        {
            byte[] fresh = Noise(9999, seed: 3);
            fresh.CopyTo(model, 777);
            model.AsSpan(20001, 30003).Clear();

            await device.WriteAsync(777, fresh, Token);
            await device.ZeroAsync(20001, 30003, ZeroFlags.None, Token);

            byte[] unaligned = await ReadAsync(device, 1, 999);
            Assert.Equal(model[1..1000], unaligned);
        }

        Assert.Equal(model, await ReadAllAsync(device));
    }

    [Fact]
    public async Task Disjoint_calls_may_run_at_the_same_time()
    {
        await using IBlockDevice device = await CreateAsync(Noise(Size));
        int piece = device.Traits.RequiredAlignment > 1 ? device.Traits.RequiredAlignment : 331;
        byte[] model = await ReadAllAsync(device);
        byte[] fresh = Noise(Size, seed: 4);
        int pieces = Math.Min(400, Size / piece);
        fresh.AsSpan(0, pieces * piece).CopyTo(model);

        await Parallel.ForAsync(0, pieces, Token, async (i, token) =>
        {
            await Task.Yield();
            ReadOnlyMemory<byte> mine = fresh.AsMemory(i * piece, piece);
            await device.WriteAsync((long)i * piece, mine, token);
            byte[] read = new byte[piece];
            await device.ReadAsync((long)i * piece, read, token);
            Assert.Equal(mine.Span.ToArray(), read);
        });

        Assert.Equal(model, await ReadAllAsync(device));
    }

    [Fact]
    public async Task A_cancelled_call_says_so()
    {
        await using IBlockDevice device = await CreateAsync(Noise(Size));
        var cancelled = new CancellationToken(canceled: true);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await device.ReadAsync(0, new byte[4096], cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await device.WriteAsync(0, new byte[4096], cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await device.ZeroAsync(0, 4096, ZeroFlags.None, cancelled));
    }

    [Fact]
    public async Task Resizes_as_the_traits_say_and_brings_nothing_back()
    {
        byte[] content = Noise(Size);
        await using IBlockDevice device = await CreateAsync([.. content]);
        if (!device.Traits.CanResize)
        {
            await FailsAsync(ErrorIds.ResizeUnsupported, () => device.SetLengthAsync(Size * 2, Token));
            Assert.Equal(Size, device.Length);
            return;
        }

        await device.SetLengthAsync(100 * 1024, Token);
        Assert.Equal(100 * 1024, device.Length);
        await FailsAsync(ErrorIds.OutOfRange, () => device.ReadAsync(100 * 1024, new byte[4096], Token));
        await device.SetLengthAsync(Size * 2, Token);

        byte[] after = await ReadAllAsync(device);
        Assert.Equal([.. content[..(100 * 1024)], .. new byte[(Size * 2) - (100 * 1024)]], after);
        await FailsAsync(ErrorIds.OutOfRange, () => device.SetLengthAsync(-4096, Token));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Agrees_with_an_array_over_random_calls(int seed)
    {
        byte[] content = Noise(Size, seed);
        await using IBlockDevice device = await CreateAsync([.. content]);
        var model = new RandomCalls(device, content, seed);

        await model.RunAsync(300, Token);

        Assert.Equal(model.Expected, await ReadAllAsync(device));
    }

    private protected static byte[] Noise(int count, int seed = 1)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private protected static async Task<byte[]> ReadAsync(IBlockDevice device, long offset, int count)
    {
        byte[] bytes = Noise(count, seed: 99);
        await device.ReadAsync(offset, bytes, Token);
        return bytes;
    }

    private protected static Task<byte[]> ReadAllAsync(IBlockDevice device) => ReadAsync(device, 0, (int)device.Length);

    private protected static async Task FailsAsync(string errorId, Func<ValueTask> call)
    {
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () => await call());
        Assert.Equal(errorId, error.ErrorId);
    }
}

/// <summary>The same for a device that can also be opened read-only.</summary>
public abstract class ReadOnlyDeviceContract : BlockDeviceContract
{
    /// <summary>A read-only device that holds <paramref name="content"/>.</summary>
    protected abstract ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content);

    [Fact]
    public async Task Read_only_refuses_every_change()
    {
        byte[] content = Noise(Size);
        await using IBlockDevice device = await CreateReadOnlyAsync([.. content]);

        Assert.False(device.Traits.CanWrite);
        await FailsAsync(ErrorIds.DeviceReadOnly, () => device.WriteAsync(0, new byte[4096], Token));
        await FailsAsync(ErrorIds.DeviceReadOnly, () => device.ZeroAsync(0, 4096, ZeroFlags.None, Token));
        await FailsAsync(ErrorIds.DeviceReadOnly, () => device.TrimAsync(0, 4096, Token));
        await FailsAsync(ErrorIds.DeviceReadOnly, () => device.SetLengthAsync(4096, Token));
        Assert.Equal(content, await ReadAllAsync(device));
    }
}
