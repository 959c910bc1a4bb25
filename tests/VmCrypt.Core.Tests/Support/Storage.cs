using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Tests.Support;

/// <summary>What the file system knows of a file; skips the test where it does not tell.</summary>
internal static class Storage
{
    /// <summary>Bytes of storage behind the file.</summary>
    public static long AllocatedBytes(string path)
    {
        SkipUnlessLinux();
        return OperatingSystem.IsLinux() ? FileStatus.Of(path)!.Allocated : 0;
    }

    public static UnixFileMode ModeOf(string path)
    {
        SkipUnlessLinux();
        return OperatingSystem.IsLinux() ? FileStatus.Of(path)!.Mode : UnixFileMode.None;
    }

    private static void SkipUnlessLinux() =>
        Assert.SkipUnless(OperatingSystem.IsLinux(), "allocation and modes are only looked at on Linux");
}
