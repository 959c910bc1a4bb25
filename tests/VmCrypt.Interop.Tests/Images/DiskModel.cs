using VmCrypt.Core.Block;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>A disk and the bytes that it should have: random changes are made to both.</summary>
internal sealed class DiskModel(byte[] content, int seed)
{
    private readonly Random _random = new(seed);
    private byte[] _bytes = [.. content];

    public byte[] Bytes => _bytes;

    /// <summary>The last changes, for the message of a failure.</summary>
    public List<string> Journal { get; } = [];

    /// <summary>Makes one random change; returns what kind it was.</summary>
    public async Task StepAsync(IBlockDevice disk, int alignment, bool resizes)
    {
        (int offset, int count) = Range(alignment);
        int dice = _random.Next(resizes ? 20 : 18);
        if (dice < 10)
        {
            byte[] data = new byte[count];
            _random.NextBytes(data);
            await disk.WriteAsync(offset, data, Qcow2Disk.Token);
            data.CopyTo(_bytes, offset);
            Journal.Add($"write {count} at {offset}");
        }
        else if (dice < 14)
        {
            var flags = (ZeroFlags)_random.Next(2);
            await disk.ZeroAsync(offset, count, flags, Qcow2Disk.Token);
            _bytes.AsSpan(offset, count).Clear();
            Journal.Add($"zero {count} at {offset} {flags}");
        }
        else if (dice < 17)
        {
            await disk.TrimAsync(offset, count, Qcow2Disk.Token);
            // What a trimmed range reads as is the disk's choice.
            await disk.ReadAsync(offset, _bytes.AsMemory(offset, count), Qcow2Disk.Token);
            Journal.Add($"trim {count} at {offset}");
        }
        else if (dice < 18)
        {
            await disk.FlushAsync(Qcow2Disk.Token);
            Journal.Add("flush");
        }
        else
        {
            int length = Math.Max(512, _bytes.Length + (_random.Next(-400, 500) * 512));
            await disk.SetLengthAsync(length, Qcow2Disk.Token);
            Array.Resize(ref _bytes, length);
            Journal.Add($"resize to {length}");
        }
    }

    /// <summary>The disk reads as the model says.</summary>
    public async Task CompareAsync(IBlockDevice disk)
    {
        byte[] read = await Qcow2Disk.ReadAllAsync(disk);
        int differs = read.AsSpan().CommonPrefixLength(_bytes);
        Assert.True(read.Length == _bytes.Length && differs == read.Length,
            $"The disk of {read.Length} bytes (expected {_bytes.Length}) differs at {differs} after: {string.Join("; ", Journal.TakeLast(12))}");
    }

    private (int Offset, int Count) Range(int alignment)
    {
        // Small, middle and large ranges, often at the edges of clusters.
        int limit = _random.Next(4) switch { 0 => 3000, 1 => 70_000, 2 => 200_000, _ => 1_000_000 };
        int offset = _random.Next(_bytes.Length);
        if (_random.Next(3) == 0)
        {
            offset &= -65536;
        }

        int count = Math.Min(_random.Next(1, limit), _bytes.Length - offset);
        if (_random.Next(3) == 0)
        {
            count = Math.Min((count + 65535) & -65536, _bytes.Length - offset);
        }

        offset &= -alignment;
        return (offset, Math.Max(alignment, count & -alignment));
    }
}
