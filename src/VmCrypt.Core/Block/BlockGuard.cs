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

    /// <summary>Throws unless offset and count keep to the device's required alignment.</summary>
    public static void Aligned(IBlockDevice device, long offset, long count)
    {
        if (!IsAligned(device, offset, count))
        {
            throw new InvalidInputException(ErrorIds.Misaligned,
                $"The range of {count} bytes at offset {offset} is not aligned to the device's {device.Traits.RequiredAlignment} bytes.");
        }
    }

    public static bool IsAligned(IBlockDevice device, long offset, long count) =>
        ((offset | count) & (device.Traits.RequiredAlignment - 1)) == 0;

    public static void Resizable(IBlockDevice device, long length)
    {
        Writable(device);
        if (!device.Traits.CanResize)
        {
            throw new UnsupportedFeatureException(ErrorIds.ResizeUnsupported, "The device cannot change its size.");
        }

        if (length < 0)
        {
            throw new InvalidInputException(ErrorIds.OutOfRange, $"A device cannot have a length of {length} bytes.");
        }

        if (!IsAligned(device, length, 0))
        {
            throw new InvalidInputException(ErrorIds.Misaligned,
                $"The length of {length} bytes is not a multiple of the device's {device.Traits.RequiredAlignment} bytes.");
        }
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
