using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Qcow2;

/// <summary>Every kind of image is a device like any other, and its tables are sound when it is closed.</summary>
public abstract class Qcow2Contract : ReadOnlyDeviceContract
{
    private protected virtual Qcow2CreateOptions Options { get; } = new() { Size = 0 };

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await OpenAsync(new SoundDevice(new MemoryDevice(await Sample.WithContentAsync(Options, content))), Sample.Writable);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        await OpenAsync(new MemoryDevice(await Sample.WithContentAsync(Options, content), writable: false), new Qcow2OpenOptions());

    private protected virtual async Task<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions options) => await Sample.OpenAsync(file, options);

    /// <summary>Checks the image when it is disposed, that is when the image above has written all that it had to write.</summary>
    private sealed class SoundDevice(MemoryDevice inner) : IBlockDevice
    {
        public long Length => inner.Length;

        public BlockTraits Traits => inner.Traits;

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            inner.WriteAsync(offset, buffer, cancellationToken);

        public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
            inner.ZeroAsync(offset, count, flags, cancellationToken);

        public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
            inner.TrimAsync(offset, count, cancellationToken);

        public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
            inner.ExtentsAsync(offset, count, cancellationToken);

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => inner.SetLengthAsync(length, cancellationToken);

        public async ValueTask DisposeAsync() => await Sample.CheckAsync(inner.ToArray());
    }
}

public sealed class PlainQcow2Tests : Qcow2Contract;

public sealed class Version2Qcow2Tests : Qcow2Contract
{
    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, Version = 2, ClusterSize = 4096 };
}

public sealed class SmallClusterQcow2Tests : Qcow2Contract
{
    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, ClusterSize = 512, RefcountBits = 64 };
}

public sealed class ExtendedL2Qcow2Tests : Qcow2Contract
{
    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, ExtendedL2 = true, RefcountBits = 1 };
}

public sealed class EncryptedQcow2Tests : Qcow2Contract
{
    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, EncryptionHeaderLength = 20000, ClusterSize = 8192 };
}

public sealed class EncryptedExtendedL2Qcow2Tests : Qcow2Contract
{
    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, EncryptionHeaderLength = 1, ExtendedL2 = true, ClusterSize = 16384 };
}

/// <summary>The content shows through from a backing file that is longer than the disk.</summary>
public abstract class OverlayContract : Qcow2Contract
{
    private protected abstract Qcow2CreateOptions Overlay { get; }

    private byte[] _backing = [];

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content)
    {
        _backing = [.. content, .. Noise(2 * Size, seed: 77)];
        return await OpenAsync(new MemoryDevice(await Sample.CreateAsync(Overlay with { Size = content.Length })), Sample.Writable);
    }

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content)
    {
        _backing = [.. content];
        byte[] image = await Sample.CreateAsync(Overlay with { Size = content.Length });
        return await OpenAsync(new MemoryDevice(image, writable: false), new Qcow2OpenOptions());
    }

    private protected override async Task<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions options) =>
        await Sample.OpenAsync(file, options, _backing);
}

public sealed class OverlayQcow2Tests : OverlayContract
{
    private protected override Qcow2CreateOptions Overlay { get; } = new() { Size = 0, BackingPath = "base", BackingFormat = "raw" };
}

public sealed class Version2OverlayQcow2Tests : OverlayContract
{
    private protected override Qcow2CreateOptions Overlay { get; } =
        new() { Size = 0, Version = 2, ClusterSize = 4096, BackingPath = "base", BackingFormat = "raw" };
}

public sealed class EncryptedExtendedL2OverlayQcow2Tests : OverlayContract
{
    private protected override Qcow2CreateOptions Overlay { get; } =
        new() { Size = 0, ExtendedL2 = true, EncryptionHeaderLength = 1, BackingPath = "base", BackingFormat = "raw" };
}

public sealed class ExternalDataFileQcow2Tests : Qcow2Contract
{
    private MemoryDevice _data = new(0);

    private protected override Qcow2CreateOptions Options { get; } = new() { Size = 0, DataFile = "data", DataFileIsRaw = true };

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content)
    {
        _data = new MemoryDevice([.. content]);
        return await OpenAsync(new MemoryDevice(await Sample.CreateAsync(Options with { Size = content.Length })), Sample.Writable);
    }

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content)
    {
        _data = new MemoryDevice([.. content]);
        byte[] image = await Sample.CreateAsync(Options with { Size = content.Length });
        return await OpenAsync(new MemoryDevice(image, writable: false), new Qcow2OpenOptions());
    }

    private protected override async Task<Qcow2Image> OpenAsync(IBlockDevice file, Qcow2OpenOptions options) =>
        await Sample.OpenAsync(file, options, dataFile: _data);
}
