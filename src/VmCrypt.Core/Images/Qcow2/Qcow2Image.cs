using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>A qcow2 image, versions 2 and 3: the disk that its guest sees.</summary>
/// <remarks>
/// Opening reads the header, the list of snapshots and the L1 table, and never writes. What the header names (backing file,
/// external data file, cipher) is attached by the caller before the first access; the image owns what was attached, and the file.
/// With a cipher attached the disk is accessed in whole sectors (<see cref="BlockTraits.RequiredAlignment"/>).
/// </remarks>
public sealed class Qcow2Image : IBlockDevice
{
    private readonly IBlockDevice _file;
    private readonly Qcow2Metadata _metadata;
    private IBlockDevice? _backing;
    private IBlockDevice? _dataFile;
    private SectorCipher? _cipher;

    private Qcow2Image(IBlockDevice file, Qcow2Metadata metadata, Qcow2OpenOptions options)
    {
        _file = file;
        _metadata = metadata;
        Facts = metadata.ToFacts();
        Traits = new BlockTraits { CanWrite = options.Writable };
    }

    /// <summary>Opens the image in <paramref name="file"/>, which it owns from then on (not if this throws).</summary>
    /// <exception cref="InvalidImageException">A rule of the format is broken; one id per rule.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Qcow2VersionUnsupported"/>,
    /// <see cref="ErrorIds.Qcow2FeatureUnsupported"/>, <see cref="ErrorIds.Qcow2CryptMethodUnsupported"/>,
    /// <see cref="ErrorIds.Qcow2CompressionTypeUnsupported"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Qcow2MarkedCorrupt"/>, <see cref="ErrorIds.Qcow2LegacyAesReadOnly"/>
    /// when it is to be written.</exception>
    public static async ValueTask<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions options, CancellationToken cancellationToken)
    {
        Qcow2Metadata metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        return new Qcow2Image(file, metadata, options);
    }

    public Qcow2Facts Facts { get; }

    /// <summary>The backing file that the header names; null if the image stands alone.</summary>
    public Qcow2Backing? Backing => Facts.Backing;

    public IReadOnlyList<Qcow2Snapshot> Snapshots => _metadata.Snapshots;

    public long Length => Facts.VirtualSize;

    public BlockTraits Traits { get; private set; }

    /// <summary>The area of the LUKS header as a device of its own, which does not own the file; null if there is none.</summary>
    public IBlockDevice? OpenEncryptionHeader() => Facts.EncryptionHeader is { } area
        ? new SubDevice(_file, area.Offset, area.Length, ownsInner: false)
        : null;

    /// <summary>What shows through where this layer has nothing; takes it. May be shorter or longer than this disk.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Qcow2LayerUnexpected"/>.</exception>
    public void AttachBacking(IBlockDevice backing)
    {
        Expect(Backing is not null && _backing is null, "backing file");
        _backing = backing;
    }

    /// <summary>The external data file; takes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Qcow2LayerUnexpected"/>.</exception>
    public void AttachDataFile(IBlockDevice dataFile)
    {
        Expect(Facts.HasDataFile && _dataFile is null, "external data file");
        _dataFile = dataFile;
    }

    /// <summary>The cipher of the LUKS volume key (or of the legacy AES key, aes-cbc-plain64); takes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Qcow2LayerUnexpected"/>.</exception>
    public void AttachCipher(SectorCipher cipher)
    {
        Expect(Facts.CryptMethod != Qcow2CryptMethod.None && _cipher is null, "cipher");
        _cipher = cipher;
        Traits = Traits with { RequiredAlignment = cipher.SectorSize };
    }

    /// <summary>The disk as it was when the snapshot was taken, read-only; to be disposed before the image, which it does not own.</summary>
    /// <param name="idOrName">The id; a name if no id matches.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.Qcow2SnapshotMissing"/>.</exception>
    public ValueTask<IBlockDevice> OpenSnapshotAsync(string idOrName, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <summary>What this layer alone says about the range, with the places in its file.</summary>
    public IAsyncEnumerable<Qcow2Mapping> MapAsync(long offset, long count, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw new NotSupportedException();

    public async ValueTask DisposeAsync()
    {
        _cipher?.Dispose();
        await (_backing?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_dataFile?.DisposeAsync() ?? ValueTask.CompletedTask);
        await _file.DisposeAsync();
    }

    private static void Expect(bool expected, string layer)
    {
        if (!expected)
        {
            throw new InvalidInputException(ErrorIds.Qcow2LayerUnexpected, $"The image's header names no {layer}, or it is attached already.");
        }
    }
}
