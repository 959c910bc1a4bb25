using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Reads a table of entries of unequal length front to back, a piece of the file at a time.</summary>
internal sealed class TableWindow(IBlockDevice file, long start, string errorId)
{
    private const int PieceBytes = 256 * 1024;

    private byte[] _piece = [];
    private long _pieceStart;
    private long _consumed;

    public long Consumed => _consumed;

    /// <summary>Where the next entry lies in the file.</summary>
    public long Position => start + _consumed;

    /// <summary>The next <paramref name="count"/> bytes, which stay next until <see cref="Advance"/>.</summary>
    public async ValueTask<byte[]> PeekAsync(int count, CancellationToken cancellationToken)
    {
        if (count > file.Length - Position)
        {
            throw new InvalidImageException(errorId,
                $"A table that starts at offset {start} runs beyond the end of the file.");
        }

        if (Position < _pieceStart || Position + count > _pieceStart + _piece.Length)
        {
            _piece = new byte[Math.Max(count, (int)Math.Min(PieceBytes, file.Length - Position))];
            _pieceStart = Position;
            await file.ReadAsync(_pieceStart, _piece, cancellationToken);
        }

        return _piece.AsSpan((int)(Position - _pieceStart), count).ToArray();
    }

    public void Advance(int count) => _consumed += count;
}
