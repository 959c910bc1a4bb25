namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>What this machine, or the container that it is to us, has of memory.</summary>
internal readonly record struct MachineMemory(long TotalKiB, long FreeKiB, bool HasSwap)
{
    private const long SmallKiB = 4L * 1024 * 1024;
    private const long LeastFreeKiB = 64 * 1024;

    /// <summary>The most to put into one Argon2 computation by choice, as cryptsetup decides it.</summary>
    /// <remarks>Half of all; on a small machine without swap half of what is free, unless that is too little to be of use.</remarks>
    public long ReasonableKiB
    {
        get
        {
            long half = TotalKiB / 2;
            return TotalKiB < SmallKiB && !HasSwap && FreeKiB / 2 > LeastFreeKiB ? Math.Min(half, FreeKiB / 2) : half;
        }
    }

    public static MachineMemory Read()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        long total = info.TotalAvailableMemoryBytes / 1024;
        long free = (info.TotalAvailableMemoryBytes - info.MemoryLoadBytes) / 1024;
        return OperatingSystem.IsLinux() ? Parse(total, free, File.ReadLines("/proc/meminfo")) : new MachineMemory(total, free, HasSwap: true);
    }

    /// <summary>Reads lines such as <c>MemFree: 1234 kB</c>.</summary>
    internal static MachineMemory Parse(long totalKiB, long freeKiB, IEnumerable<string> lines)
    {
        bool hasSwap = false;
        foreach (string line in lines)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["MemFree:", { } free, ..] && long.TryParse(free, out long kiB))
            {
                freeKiB = Math.Min(totalKiB, kiB);
            }
            else if (words is ["SwapTotal:", { } swap, ..])
            {
                hasSwap = swap != "0";
            }
        }

        return new MachineMemory(totalKiB, freeKiB, hasSwap);
    }
}
