using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Guest data at its place in the image file or the external data file, as plain bytes.</summary>
/// <remarks>Owns the cipher and the external data file once they are attached, but not the image file.</remarks>
internal sealed class ClusterData(IBlockDevice file, Qcow2Facts facts) : IAsyncDisposable
{
    private const int Sector = 512;

    private IBlockDevice? _dataFile;
    private SectorCipher? _cipher;
    private CryptDevice? _decrypted;
    private IBlockDevice? _clusters;

    /// <summary>The file that holds guest data.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.Qcow2DataFileNotAttached"/>.</exception>
    public IBlockDevice Storage => !facts.HasDataFile ? file : _dataFile ?? throw new MissingException(ErrorIds.Qcow2DataFileNotAttached,
        $"The image needs its external data file '{facts.DataFile}', which was not opened.");

    /// <summary>The same with the encryption undone; not for the legacy scheme, whose IVs are not those of the file.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.ImageLocked"/>.</exception>
    public IBlockDevice Device => _clusters is not null ? _clusters
        : !IsEncrypted ? Storage
        : facts.CryptMethod == Qcow2CryptMethod.Luks ? _decrypted ??= new CryptDevice(SubDevice.Tail(Storage, 0, ownsInner: false), RequireCipher())
        : Storage;

    public bool IsEncrypted => facts.CryptMethod != Qcow2CryptMethod.None;

    public bool HasCipher => _cipher is not null;

    public IBlockDevice? DataFile => _dataFile;

    public bool HasDataFile => _dataFile is not null;

    public void Attach(IBlockDevice dataFile) => _dataFile = dataFile;

    public void Attach(SectorCipher cipher) => _cipher = cipher;

    public void AttachClusters(IBlockDevice clusters) => _clusters = clusters;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ClusterOutsideFile"/>.</exception>
    public async ValueTask ReadAsync(long guest, long host, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // The last cluster of a file may be cut short. One that lies wholly behind the end was lost.
        IBlockDevice device = Device;
        int present = (int)Math.Clamp(Math.Min(device.Length, Storage.Length) - host, 0, buffer.Length);
        if (!facts.HasDataFile && present < buffer.Length && ((host + buffer.Length - 1) & -(long)facts.ClusterSize) >= Storage.Length)
        {
            throw new InvalidImageException(ErrorIds.Qcow2ClusterOutsideFile,
                $"The disk's bytes from {guest} on should be at offset {host}, but the file ends at {Storage.Length}.");
        }

        if (present > 0)
        {
            await device.ReadAsync(host, buffer[..present], cancellationToken);
        }

        buffer[present..].Span.Clear();
        if (facts.CryptMethod == Qcow2CryptMethod.Aes)
        {
            RequireCipher().Decrypt((ulong)guest / Sector, buffer.Span, buffer.Span);
        }
    }

    public ValueTask WriteAsync(long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        Device.WriteAsync(host, buffer, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _cipher?.Dispose();
        await (_clusters?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_dataFile?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private SectorCipher RequireCipher() =>
        _cipher ?? throw new WrongKeyException(ErrorIds.ImageLocked, "The image is encrypted and was not unlocked.");
}
