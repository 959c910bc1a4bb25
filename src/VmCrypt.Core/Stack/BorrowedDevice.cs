using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>A device that belongs to somebody else, for reading.</summary>
internal sealed class BorrowedDevice(IBlockDevice owned) : FilterDevice(SubDevice.Tail(owned, 0, ownsInner: false))
{
    public override BlockTraits Traits => Inner.Traits with { CanWrite = false, CanResize = false };

    public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => throw ReadOnly();

    public override ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw ReadOnly();

    public override ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw ReadOnly();

    public override ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw ReadOnly();

    private static DeviceFaultException ReadOnly() => new(ErrorIds.DeviceReadOnly, "The device was lent for reading only.");
}
