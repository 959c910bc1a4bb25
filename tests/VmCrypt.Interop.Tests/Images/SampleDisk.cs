namespace VmCrypt.Interop.Tests.Images;

/// <summary>Disk content with noise, text that compresses, and holes, the same for the same seed.</summary>
internal static class SampleDisk
{
    private const int Block = 4096;

    public static byte[] Make(int length, int seed = 1)
    {
        var random = new Random(seed);
        byte[] disk = new byte[length];
        for (int at = 0; at < length;)
        {
            int run = Math.Min(length - at, Block * random.Next(1, 40));
            Span<byte> part = disk.AsSpan(at, run);
            switch (random.Next(3))
            {
                case 0:
                    random.NextBytes(part);
                    break;
                case 1:
                    for (int i = 0; i < run; i++)
                    {
                        part[i] = (byte)('a' + (i / 64 % 26));
                    }

                    break;
            }

            at += run;
        }

        return disk;
    }
}
