using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Fuzz.Engine;

/// <summary>A sparse file in memory: as long as anybody likes, with little in it. Notes every call in the trace.</summary>
internal sealed class SparseDisk : IBlockDevice
{
    private const int PageSize = 4096;

    // Like a file on ext4; and full when an input makes its parser write too much.
    private const long MaxLength = 16L << 40;
    private const int MaxPages = 16384;

    private readonly Dictionary<long, byte[]> _pages = [];
    private readonly Trace _trace;

    /// <param name="content">The start; the rest of <paramref name="length"/> is a hole.</param>
    public SparseDisk(ReadOnlySpan<byte> content, long length, Trace trace, bool writable = true)
    {
        _trace = trace;
        Length = length;
        Traits = new BlockTraits { CanWrite = writable, CanResize = writable, CanZeroFast = true, CanTrim = true };
        for (int at = 0; at < content.Length; at += PageSize)
        {
            content[at..Math.Min(at + PageSize, content.Length)].CopyTo(PageAt(at / PageSize));
        }
    }

    public long Length { get; private set; }

    public BlockTraits Traits { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        _trace.Note("read", buffer.Length);
        BlockGuard.Range(this, offset, buffer.Length);
        for (int done = 0, count; done < buffer.Length; done += count)
        {
            (long page, int at) = Place(offset + done);
            count = Math.Min(buffer.Length - done, PageSize - at);
            Span<byte> target = buffer.Span.Slice(done, count);
            if (_pages.TryGetValue(page, out byte[]? bytes))
            {
                bytes.AsSpan(at, count).CopyTo(target);
            }
            else
            {
                target.Clear();
            }
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        _trace.Note("write", buffer.Length);
        BlockGuard.WritableRange(this, offset, buffer.Length);
        for (int done = 0, count; done < buffer.Length; done += count)
        {
            (long page, int at) = Place(offset + done);
            count = Math.Min(buffer.Length - done, PageSize - at);
            buffer.Span.Slice(done, count).CopyTo(PageAt(page).AsSpan(at));
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        _trace.Note("zero", count);
        BlockGuard.WritableRange(this, offset, count);
        Clear(offset, count);
        return ValueTask.CompletedTask;
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        ZeroAsync(offset, count, ZeroFlags.None, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        _trace.Note("flush");
        return ValueTask.CompletedTask;
    }

    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await ValueTask.CompletedTask;
        if (count > 0)
        {
            yield return new Extent(offset, count, ExtentKind.Data);
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        _trace.Note("length", length);
        BlockGuard.Resizable(this, length);
        if (length > MaxLength)
        {
            throw Full();
        }

        if (length < Length)
        {
            Clear(length, Length - length);
        }

        Length = length;
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Clear(long offset, long count)
    {
        foreach (long page in _pages.Keys.Where(page => (page + 1) * PageSize > offset && page * PageSize < offset + count).ToList())
        {
            int from = (int)Math.Max(0, offset - (page * PageSize));
            int to = (int)Math.Min(PageSize, offset + count - (page * PageSize));
            _pages[page].AsSpan(from, to - from).Clear();
        }
    }

    private static (long Page, int At) Place(long offset) => (offset / PageSize, (int)(offset % PageSize));

    private byte[] PageAt(long page)
    {
        if (!_pages.TryGetValue(page, out byte[]? bytes))
        {
            _pages.Add(page, bytes = _pages.Count < MaxPages ? new byte[PageSize] : throw Full());
        }

        return bytes;
    }

    private static DeviceFaultException Full() => new(ErrorIds.DiskFull, "The disk of the fuzzer is full.");
}
