using System.Buffers;
using System.Runtime.CompilerServices;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Block;

/// <summary>Plain bytes over encrypted ones: sector 0 of the IV is the first byte of the device below.</summary>
/// <remarks>Callers align to <see cref="SectorCipher.SectorSize"/> (or wrap in <c>AlignedDevice</c>). Owns both.</remarks>
public sealed class CryptDevice : IBlockDevice
{
    // Large enough to keep the cipher busy, small enough to stay in the second-level cache while it is written.
    private const int WriteChunk = 512 * 1024;

    private readonly IBlockDevice _inner;
    private readonly SectorCipher _cipher;
    private readonly ulong _ivOffset;

    /// <param name="ivOffset">Added to every sector number (the iv_tweak of a LUKS2 segment), in 512-byte units.</param>
    public CryptDevice(IBlockDevice inner, SectorCipher cipher, ulong ivOffset = 0)
    {
        _inner = inner;
        _cipher = cipher;
        _ivOffset = ivOffset;
        Length = inner.Length / cipher.SectorSize * cipher.SectorSize;
        Traits = inner.Traits with
        {
            CanZeroFast = false,
            CanResize = false,
            RequiredAlignment = Math.Max(cipher.SectorSize, inner.Traits.RequiredAlignment),
        };
    }

    public long Length { get; }

    public BlockTraits Traits { get; }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        await _inner.ReadAsync(offset, buffer, cancellationToken);
        _cipher.Decrypt(SectorOf(offset), buffer.Span, buffer.Span);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        byte[] rented = ArrayPool<byte>.Shared.Rent(Math.Min(WriteChunk, buffer.Length));
        try
        {
            for (int at = 0; at < buffer.Length; at += WriteChunk)
            {
                int count = Math.Min(WriteChunk, buffer.Length - at);
                // Only ciphertext ever stands in the pooled array, so it needs no wiping.
                _cipher.Encrypt(SectorOf(offset + at), buffer.Span.Slice(at, count), rented);
                await _inner.WriteAsync(offset + at, rented.AsMemory(0, count), cancellationToken);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Writes encrypted zeros: zeros below would decrypt to noise.</summary>
    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.NotOnlyIfFast(flags);
        byte[] zeros = new byte[(int)Math.Min(WriteChunk, count)];
        for (long at = 0; at < count; at += zeros.Length)
        {
            await WriteAsync(offset + at, zeros.AsMemory(0, (int)Math.Min(zeros.Length, count - at)), cancellationToken);
        }
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        _inner.TrimAsync(offset, count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => _inner.FlushAsync(cancellationToken);

    /// <summary>All of it is data: what is a hole below reads as noise here.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await ValueTask.CompletedTask;
        if (count > 0)
        {
            yield return new Extent(offset, count, ExtentKind.Data);
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) =>
        throw new NotSupportedException("The owner of the payload's place resizes it, then opens it again.");

    public async ValueTask DisposeAsync()
    {
        _cipher.Dispose();
        await _inner.DisposeAsync();
    }

    private ulong SectorOf(long offset) => ((ulong)offset / 512) + _ivOffset;
}
