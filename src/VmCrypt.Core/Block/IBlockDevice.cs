namespace VmCrypt.Core.Block;

/// <summary>Position-free bytes: the one contract on which every layer of a disk stands.</summary>
/// <remarks>
/// <para>Every call names its offset; there is no current position. Calls on disjoint ranges may run at the same time;
/// what two overlapping writes leave is undefined. A read or write moves all bytes or throws.
/// Growing may run beside them; shrinking and disposal want to be alone.</para>
/// <para>Offsets and counts are bytes. Callers need no alignment: a device that wants some says so in
/// <see cref="BlockTraits.RequiredAlignment"/> and is wrapped by <see cref="AlignedDevice.Over"/> when it is opened.</para>
/// <para>Errors: <see cref="Errors.ErrorIds.OutOfRange"/>, <see cref="Errors.ErrorIds.DeviceReadOnly"/>,
/// <see cref="Errors.ErrorIds.DiskFull"/>, <see cref="Errors.ErrorIds.DeviceIO"/>. A cancelled call throws
/// <see cref="OperationCanceledException"/> and leaves its range undefined.</para>
/// <para>Who disposes a device that wraps another disposes the other too, unless its constructor says otherwise.</para>
/// </remarks>
public interface IBlockDevice : IAsyncDisposable
{
    /// <summary>Size in bytes. Changes only by <see cref="SetLengthAsync"/>.</summary>
    long Length { get; }

    BlockTraits Traits { get; }

    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Makes the range read as zeros, as cheaply as the device can; with <see cref="ZeroFlags.KeepAllocated"/> it stays backed by storage.</summary>
    ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken);

    /// <summary>The range's content is no longer needed: what it reads as is undefined until it is written. Advisory; does nothing where not <see cref="BlockTraits.CanTrim"/>.</summary>
    ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken);

    /// <summary>Every change completed before the call survives a power cut once this returns.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken);

    /// <summary>What the range is made of, in order, without gaps; neighbours of one kind may come in pieces.</summary>
    IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken);

    /// <summary>Grows (new bytes read as zeros) or shrinks; only where <see cref="BlockTraits.CanResize"/>.</summary>
    ValueTask SetLengthAsync(long length, CancellationToken cancellationToken);
}
