using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>Overwrites key material that no header refers to any more.</summary>
internal static class LuksEraser
{
    /// <summary>As many as QEMU makes; it flushes once at the end, so that a page cache may merge them.</summary>
    public const int Passes = 40;

    // Areas of several MiB are overwritten in pieces, so that a cancelled pass ends soon.
    private const int Piece = 1 << 20;

    /// <summary>Random bytes over the range, flushed after each pass; the last pass is read back.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyMaterialNotErased"/>: the device does not keep what is written.</exception>
    public static async ValueTask OverwriteAsync(IBlockDevice area, long offset, long length, CancellationToken cancellationToken)
    {
        for (int pass = 1; pass < Passes; pass++)
        {
            await PassAsync(area, offset, length, readBack: false, cancellationToken);
        }

        await OverwriteOnceAsync(area, offset, length, cancellationToken);
    }

    /// <summary>One pass, read back: for room that held no key material, as far as the header knows.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyMaterialNotErased"/>.</exception>
    public static ValueTask OverwriteOnceAsync(IBlockDevice area, long offset, long length, CancellationToken cancellationToken) =>
        PassAsync(area, offset, length, readBack: true, cancellationToken);

    private static async ValueTask PassAsync(IBlockDevice area, long offset, long length, bool readBack, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[Math.Min(length, Piece)];
        byte[] stored = new byte[readBack ? buffer.Length : 0];
        for (long at = 0; at < length; at += Piece)
        {
            Memory<byte> noise = buffer.AsMemory(0, (int)Math.Min(Piece, length - at));
            RandomNumberGenerator.Fill(noise.Span);
            await area.WriteAsync(offset + at, noise, cancellationToken);
            if (readBack)
            {
                await RequireStoredAsync(area, offset + at, noise, stored.AsMemory(0, noise.Length), cancellationToken);
            }
        }

        await area.FlushAsync(cancellationToken);
    }

    private static async ValueTask RequireStoredAsync(
        IBlockDevice area, long offset, Memory<byte> expected, Memory<byte> stored, CancellationToken cancellationToken)
    {
        await area.FlushAsync(cancellationToken);
        await area.ReadAsync(offset, stored, cancellationToken);
        if (!stored.Span.SequenceEqual(expected.Span))
        {
            throw new DeviceFaultException(ErrorIds.KeyMaterialNotErased,
                $"The key material at byte {offset} was overwritten, but the device does not return what was written: it may still hold the key.");
        }
    }
}
