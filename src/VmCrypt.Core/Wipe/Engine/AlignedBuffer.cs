using System.Buffers;
using System.Runtime.InteropServices;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Memory whose address suits direct I/O.</summary>
internal sealed unsafe class AlignedBuffer(int length) : MemoryManager<byte>
{
    private const int Alignment = 4096;

    private byte* _address = (byte*)NativeMemory.AlignedAlloc((nuint)length, Alignment);

    public override Span<byte> GetSpan() => _address == null ? throw new ObjectDisposedException(nameof(AlignedBuffer)) : new(_address, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_address + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        NativeMemory.AlignedFree(_address);
        _address = null;
    }
}
