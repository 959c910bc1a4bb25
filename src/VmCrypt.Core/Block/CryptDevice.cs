using System.Buffers;
using System.Runtime.CompilerServices;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Block;

/// <summary>Plain bytes over encrypted ones: sector 0 of the IV is the first byte of the device below.</summary>
/// <remarks>
/// Callers align to <see cref="SectorCipher.SectorSize"/> (or go through <see cref="AlignedDevice"/>). Requests larger than a
/// piece are cut up and spread over the processors, so that one piece is deciphered while the next is still being read.
/// Owns the device and the cipher.
/// </remarks>
public sealed class CryptDevice : IBlockDevice
{
    // Large enough to be worth a thread, small enough to stay in the second-level cache between the cipher and the device.
    private const int Piece = 256 * 1024;

    private static readonly byte[] s_zeros = new byte[Piece];

    private readonly IBlockDevice _inner;
    private readonly SectorCipher _cipher;
    private readonly ulong _ivOffset;

    /// <param name="inner">Where the encrypted bytes are.</param>
    /// <param name="cipher">Holds the key.</param>
    /// <param name="ivOffset">Added to every sector number (the iv_tweak of a LUKS2 segment), in 512-byte units.</param>
    /// <param name="passTrim">Let trims through. They show which blocks are in use to who sees the encrypted disk, so the default is no.</param>
    public CryptDevice(IBlockDevice inner, SectorCipher cipher, ulong ivOffset = 0, bool passTrim = false)
    {
        _inner = inner;
        _cipher = cipher;
        _ivOffset = ivOffset;
        Traits = inner.Traits with
        {
            CanZeroFast = false,
            CanTrim = passTrim && inner.Traits.CanTrim,
            CanResize = false,
            RequiredAlignment = Math.Max(cipher.SectorSize, inner.Traits.RequiredAlignment),
        };
    }

    /// <summary>Whole sectors; grows with the device below.</summary>
    public long Length => _inner.Length & -_cipher.SectorSize;

    public BlockTraits Traits { get; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return buffer.Length <= Piece
            ? ReadPieceAsync(offset, buffer, cancellationToken)
            : InPiecesAsync(buffer.Length, (at, count, token) => ReadPieceAsync(offset + at, buffer.Slice((int)at, count), token), cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return buffer.Length <= Piece
            ? WritePieceAsync(offset, buffer, cancellationToken)
            : InPiecesAsync(buffer.Length, (at, count, token) => WritePieceAsync(offset + at, buffer.Slice((int)at, count), token), cancellationToken);
    }

    /// <summary>Writes encrypted zeros: zeros below would decrypt to noise.</summary>
    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        BlockGuard.NotOnlyIfFast(flags);
        return InPiecesAsync(count, (at, size, token) => WritePieceAsync(offset + at, s_zeros.AsMemory(0, size), token), cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return Traits.CanTrim ? _inner.TrimAsync(offset, count, cancellationToken) : ValueTask.CompletedTask;
    }

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

    /// <summary>Refused: the owner of the payload's place resizes it, then opens it again.</summary>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _cipher.Dispose();
        await _inner.DisposeAsync();
    }

    private async ValueTask ReadPieceAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await _inner.ReadAsync(offset, buffer, cancellationToken);
        _cipher.Decrypt(SectorOf(offset), buffer.Span, buffer.Span);
    }

    private async ValueTask WritePieceAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(buffer.Length);
        try
        {
            // Only ciphertext ever stands in the pooled array, so it needs no wiping.
            Memory<byte> encrypted = rented.AsMemory(0, buffer.Length);
            _cipher.Encrypt(SectorOf(offset), buffer.Span, encrypted.Span);
            await _inner.WriteAsync(offset, encrypted, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static ValueTask InPiecesAsync(long length, Func<long, int, CancellationToken, ValueTask> work, CancellationToken cancellationToken) =>
        new(Parallel.ForAsync(0L, (length + Piece - 1) / Piece, cancellationToken,
            (piece, token) => work(piece * Piece, (int)Math.Min(Piece, length - (piece * Piece)), token)));

    private ulong SectorOf(long offset) => ((ulong)offset / 512) + _ivOffset;
}
