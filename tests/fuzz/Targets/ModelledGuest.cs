using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Uses a disk by a script, and knows what it must hold.</summary>
internal sealed class ModelledGuest(IBlockDevice disk, Trace trace)
{
    private const long MaxModel = 16 * 1024 * 1024;
    private const int MaxCount = 128 * 1024;

    /// <summary>What the disk must hold; null if nobody can tell.</summary>
    public byte[]? Model { get; set; }

    /// <summary>Takes what the disk holds now for its model; false if that cannot be read.</summary>
    public async Task<bool> TryModelAsync()
    {
        try
        {
            Model = disk.Length <= MaxModel ? await ReadAllAsync(disk) : null;
            return Model is not null;
        }
        catch (VmCryptException)
        {
            return false;
        }
    }

    /// <param name="step">What, where as a fraction of the disk (2 bytes), how much.</param>
    public async Task StepAsync(byte[] step)
    {
        long offset = (long)((UInt128)(ulong)disk.Length * (uint)((step[1] << 8) | step[2]) >> 16);
        int count = (int)Math.Min(disk.Length - offset, Math.Min(MaxCount, step[3] << (step[3] % 11)));
        switch (step[0] % 8)
        {
            case < 3:
                byte[] fresh = [.. Enumerable.Range(0, count).Select(at => (byte)(at + step[3] + 1))];
                await disk.WriteAsync(offset, fresh, default);
                fresh.CopyTo(Modelled(offset, count));
                break;
            case < 5:
                await disk.ZeroAsync(offset, count, step[0] % 16 < 8 ? ZeroFlags.None : ZeroFlags.KeepAllocated, default);
                Modelled(offset, count).Clear();
                break;
            case 5:
                await disk.TrimAsync(offset, count, default);
                // What trimmed bytes read as is the disk's choice, and nobody else's.
                await disk.ReadAsync(offset, Model?.AsMemory((int)offset, count) ?? new byte[count], default);
                break;
            case 6:
                await disk.FlushAsync(default);
                break;
            default:
                await ResizeAsync(disk.Length / 128 * step[3] & -512);
                break;
        }
    }

    /// <summary>Compares the disk, or another that must hold the same, with the model.</summary>
    public async Task CompareAsync(IBlockDevice device, string defect)
    {
        if (Model is not null)
        {
            byte[] content = await ReadAllAsync(device);
            DefectException.Unless(content.AsSpan().SequenceEqual(Model), defect);
        }
    }

    private Span<byte> Modelled(long offset, int count) => Model is null ? new byte[count] : Model.AsSpan((int)offset, count);

    private async Task ResizeAsync(long length)
    {
        try
        {
            if (Model is null || length <= MaxModel)
            {
                await disk.SetLengthAsync(length, default);
                Model = Model is null ? null : [.. Model.Take((int)length), .. new byte[Math.Max(0, length - Model.Length)]];
            }
        }
        catch (VmCryptException refusal) when (refusal is RefusedException or UnsupportedFeatureException)
        {
            trace.Note(refusal.ErrorId);
        }
    }

    private static async Task<byte[]> ReadAllAsync(IBlockDevice device)
    {
        byte[] content = new byte[device.Length];
        await device.ReadAsync(0, content, default);
        return content;
    }
}
