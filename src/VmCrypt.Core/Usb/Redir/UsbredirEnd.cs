using System.Buffers;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>One side of a firewall: what is read from it, and what is to be sent to it.</summary>
internal sealed class UsbredirEnd(UsbredirSide side)
{
    private readonly Queue<Action<IBufferWriter<byte>>> _deferred = new();

    public UsbredirReader Reader { get; } = new(side);

    /// <summary>What it can do; null until its hello.</summary>
    public UsbredirCaps? Caps { get; set; }

    /// <summary>What it has sent and nobody can read yet.</summary>
    public ArrayBufferWriter<byte> Held { get; } = new();

    /// <summary>What is to be sent to it.</summary>
    public ArrayBufferWriter<byte> Out { get; private set; } = new(256 * 1024);

    /// <summary>Hands out what is to be sent, and goes on with <paramref name="empty"/>.</summary>
    public ArrayBufferWriter<byte> Swap(ArrayBufferWriter<byte> empty)
    {
        ArrayBufferWriter<byte> full = Out;
        Out = empty;
        return full;
    }

    /// <summary>Sends a packet of our own, now or behind the one that is on its way.</summary>
    public void Insert(Action<IBufferWriter<byte>> write, bool atOnce)
    {
        _deferred.Enqueue(write);
        if (atOnce)
        {
            FlushDeferred();
        }
    }

    public void FlushDeferred()
    {
        while (_deferred.TryDequeue(out Action<IBufferWriter<byte>>? write))
        {
            write(Out);
        }
    }
}
