using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Random calls to a device and, side by side, to a plain array that says what must come of them.</summary>
/// <param name="device">Holds <paramref name="content"/> now.</param>
/// <param name="content">Copied.</param>
/// <param name="seed">Of the choices.</param>
/// <param name="largest">Bytes of the rare large call; several of the format's blocks.</param>
internal sealed class RandomCalls(IBlockDevice device, byte[] content, int seed, int largest = 200_000)
{
    private readonly Random _random = new(seed);
    private byte[] _model = [.. content];

    /// <summary>What the device must hold by now.</summary>
    public byte[] Expected => _model;

    public async Task RunAsync(int calls, CancellationToken cancellationToken)
    {
        for (int i = 0; i < calls; i++)
        {
            (int offset, int count) = Range();
            switch (_random.Next(device.Traits.CanResize ? 11 : 10))
            {
                case < 4:
                    byte[] fresh = new byte[count];
                    _random.NextBytes(fresh);
                    await device.WriteAsync(offset, fresh, cancellationToken);
                    fresh.CopyTo(_model, offset);
                    break;
                case < 6:
                    ZeroFlags flags = _random.Next(2) == 0 ? ZeroFlags.None : ZeroFlags.KeepAllocated;
                    await device.ZeroAsync(offset, count, flags, cancellationToken);
                    _model.AsSpan(offset, count).Clear();
                    break;
                case < 7:
                    // What trimmed bytes read as is the device's choice.
                    await device.TrimAsync(offset, count, cancellationToken);
                    await device.ReadAsync(offset, _model.AsMemory(offset, count), cancellationToken);
                    break;
                case < 10:
                    byte[] read = new byte[count];
                    await device.ReadAsync(offset, read, cancellationToken);
                    Assert.Equal(_model[offset..(offset + count)], read);
                    break;
                default:
                    int length = Math.Max(65536, _random.Next(content.Length * 2) & -4096);
                    await device.SetLengthAsync(length, cancellationToken);
                    Array.Resize(ref _model, length);
                    break;
            }
        }
    }

    private (int Offset, int Count) Range()
    {
        int offset = Align(_random.Next(_model.Length));
        int most = _random.Next(4) == 0 ? largest : 6000;
        return (offset, Align(Math.Min(_random.Next(most), _model.Length - offset)));
    }

    private int Align(int value) => value & -device.Traits.RequiredAlignment;
}
