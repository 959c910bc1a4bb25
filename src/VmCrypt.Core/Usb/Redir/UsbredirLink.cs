using System.Buffers;

namespace VmCrypt.Core.Usb.Redir;

/// <summary>The two ends of a usbredir connection, and what counts for both.</summary>
internal sealed class UsbredirLink
{
    /// <summary>The side that has the device.</summary>
    public UsbredirEnd Host { get; } = new(UsbredirSide.Host);

    /// <summary>The side that gets it.</summary>
    public UsbredirEnd Guest { get; } = new(UsbredirSide.Guest);

    /// <summary>Why both connections are to be closed once everything is sent; null while they may stay.</summary>
    public string? Closing { get; private set; }

    /// <summary>The features that both sides have; null until both have said hello.</summary>
    public UsbredirCaps? Features
    {
        get => Host.Reader.Caps;
        set => Host.Reader.Caps = Guest.Reader.Caps = value;
    }

    /// <summary>The features in use for packets of our own.</summary>
    public UsbredirCaps Caps => Features ?? UsbredirCaps.None;

    public UsbredirEnd Other(UsbredirEnd end) => end == Host ? Guest : Host;

    public void Close(string reason) => Closing ??= reason;

    /// <summary>Sends the host a packet of our own: between those of the guest, never into one.</summary>
    public void InsertToHost(Action<IBufferWriter<byte>> write) => Host.Insert(write, atOnce: Guest.Reader.Streaming == 0);

    /// <summary>Sends the host a packet of our own that is all header.</summary>
    public void InsertToHost(UsbredirPacketType type) => InsertToHost(target => UsbredirPacket.WriteEmpty(target, Caps, type));
}
