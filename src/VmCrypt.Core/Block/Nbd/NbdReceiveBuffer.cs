namespace VmCrypt.Core.Block.Nbd;

/// <summary>Bytes that came from the wire and were not understood yet; large enough for the longest option.</summary>
internal sealed class NbdReceiveBuffer
{
    private const int CheapToMove = 4096;

    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(NbdLimits.MaxOption + NbdOptionReply.Size, pinned: true);
    private int _start;
    private int _end;

    public ReadOnlySpan<byte> Unread => _bytes.AsSpan(_start, _end - _start);

    /// <summary>Room for more; never empty as long as the reader takes whole messages.</summary>
    public Memory<byte> Free
    {
        get
        {
            // The start of a header is moved to the front; the most of a long option only when there is no other way.
            if (_start > 0 && (_end == _bytes.Length || _end - _start < CheapToMove))
            {
                Unread.CopyTo(_bytes);
                (_start, _end) = (0, _end - _start);
            }

            return _bytes.AsMemory(_end);
        }
    }

    public void Received(int count) => _end += count;

    public void Consume(int count) => _start += count;

    public void Wipe() => _bytes.AsSpan().Clear();
}
