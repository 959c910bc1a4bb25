using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block;

/// <summary>The checks at the edge of every device, said once.</summary>
internal static class BlockGuard
{
    /// <summary>Throws unless [offset, offset + count) lies in the device. Written so that no sum can overflow.</summary>
    public static void Range(IBlockDevice device, long offset, long count)
    {
        long length = device.Length;
        if (offset < 0 || count < 0 || offset > length || count > length - offset)
        {
            throw new InvalidInputException(ErrorIds.OutOfRange,
                $"The range of {count} bytes at offset {offset} does not lie in a device of {length} bytes.");
        }
    }

    public static void Writable(IBlockDevice device)
    {
        if (!device.Traits.CanWrite)
        {
            throw new DeviceFaultException(ErrorIds.DeviceReadOnly, "The device is open read-only and cannot be written.");
        }
    }

    public static void WritableRange(IBlockDevice device, long offset, long count)
    {
        Writable(device);
        Range(device, offset, count);
    }

    /// <summary>For devices that can only zero by writing.</summary>
    public static void NotOnlyIfFast(ZeroFlags flags)
    {
        if (flags.HasFlag(ZeroFlags.OnlyIfFast))
        {
            throw new UnsupportedFeatureException(ErrorIds.ZeroNotFast, "The device can zero only by writing zeros.");
        }
    }
}
