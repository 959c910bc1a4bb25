using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Wipe.Medium;

/// <summary>Asks the file system where a file lies (FS_IOC_FIEMAP, linux/fiemap.h).</summary>
/// <remarks>
/// The request, all in the machine's byte order, then one answer per extent:
/// <code>
///  0  u64 start       8  u64 length     16  u32 flags   20  u32 extents found   24  u32 extents wanted   28  u32 0
///  0  u64 logical     8  u64 physical   16  u64 length  24  u64 0, u64 0        40  u32 flags            44  u32 0, 0, 0
/// </code>
/// </remarks>
[SupportedOSPlatform("linux")]
internal static partial class Fiemap
{
    private const ulong Request = 0xC020660B;
    private const uint Sync = 1;
    private const int HeaderSize = 32;
    private const int ExtentSize = 56;
    private const int Batch = 1024;

    private const uint Last = 1;

    /// <summary>All extents in order; null where the file system does not tell. What is still on its way to the disk is written first.</summary>
    public static List<PhysicalExtent>? Read(SafeFileHandle file, string path)
    {
        var extents = new List<PhysicalExtent>();
        byte[] buffer = new byte[HeaderSize + (Batch * ExtentSize)];
        long start = 0;
        while (true)
        {
            Array.Clear(buffer, 0, HeaderSize);
            BitConverter.TryWriteBytes(buffer.AsSpan(0), start);
            BitConverter.TryWriteBytes(buffer.AsSpan(8), long.MaxValue - start);
            BitConverter.TryWriteBytes(buffer.AsSpan(16), Sync);
            BitConverter.TryWriteBytes(buffer.AsSpan(24), Batch);
            if (Control(file, Request, buffer) < 0)
            {
                return Marshal.GetLastPInvokeError() is 95 or 25 or 22 // EOPNOTSUPP, ENOTTY, EINVAL
                    ? null
                    : throw IOFaults.Last("Mapping", path);
            }

            int found = BitConverter.ToInt32(buffer, 20);
            uint flags = Last;
            for (int i = 0; i < found; i++)
            {
                ReadOnlySpan<byte> raw = buffer.AsSpan(HeaderSize + (i * ExtentSize), ExtentSize);
                flags = BitConverter.ToUInt32(raw[40..]);
                extents.Add(new PhysicalExtent(
                    BitConverter.ToInt64(raw), BitConverter.ToInt64(raw[8..]), BitConverter.ToInt64(raw[16..]), TraitsOf(flags)));
            }

            if ((flags & Last) != 0)
            {
                return extents;
            }

            start = extents[^1].End;
        }
    }

    private static ExtentTraits TraitsOf(uint flags)
    {
        ExtentTraits traits = ExtentTraits.None;
        traits |= (flags & 0x2000) != 0 ? ExtentTraits.Shared : ExtentTraits.None;
        traits |= (flags & (0x8 | 0x80)) != 0 ? ExtentTraits.Encoded : ExtentTraits.None;
        traits |= (flags & (0x100 | 0x200 | 0x400)) != 0 ? ExtentTraits.Inline : ExtentTraits.None;
        traits |= (flags & 0x800) != 0 ? ExtentTraits.Unwritten : ExtentTraits.None;
        traits |= (flags & (0x2 | 0x4)) != 0 ? ExtentTraits.Nowhere : ExtentTraits.None;
        return traits;
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, ulong request, [In, Out] byte[] buffer);
}
