using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Qcow;

/// <summary>A qcow image of version 1, read-only: for getting data out of images of the years before 2008.</summary>
public sealed class QcowImage : IBlockDevice
{
    private readonly IBlockDevice _file;
    private IBlockDevice? _backing;
    private SectorCipher? _cipher;

    private QcowImage(IBlockDevice file, QcowHeader header, Qcow2Backing? backing)
    {
        _file = file;
        Backing = backing;
        Length = (long)header.VirtualSize;
        IsEncrypted = header.CryptMethod != 0;
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws).</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.QcowHeaderInvalid"/>.</exception>
    public static async ValueTask<QcowImage> OpenAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(QcowHeader.Size, file.Length)];
        await file.ReadAsync(0, start, cancellationToken);
        return new QcowImage(file, QcowHeader.Parse(start), null);
    }

    /// <summary>The backing file that the header names (the format never is); null if the image stands alone.</summary>
    public Qcow2Backing? Backing { get; }

    /// <summary>Whether a cipher (aes-cbc-plain64 under the legacy key) must be attached.</summary>
    public bool IsEncrypted { get; }

    public long Length { get; }

    public BlockTraits Traits { get; private set; } = new() { CanWrite = false };

    /// <summary>What shows through where this layer has nothing; takes it.</summary>
    public void AttachBacking(IBlockDevice backing) => _backing = backing;

    /// <summary>The cipher of the legacy AES key; takes it.</summary>
    public void AttachCipher(SectorCipher cipher)
    {
        _cipher = cipher;
        Traits = Traits with { RequiredAlignment = cipher.SectorSize };
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw new NotSupportedException();

    public async ValueTask DisposeAsync()
    {
        _cipher?.Dispose();
        await (_backing?.DisposeAsync() ?? ValueTask.CompletedTask);
        await _file.DisposeAsync();
    }
}
