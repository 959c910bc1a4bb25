using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdRequestReaderTests
{
    private static readonly NbdAgreement s_agreement = new(1 << 20, (NbdTransmissionFlags)0x0ded) { StructuredReplies = true, AllocationContext = 1 };

    [Fact]
    public void Cuts_requests_however_they_come()
    {
        byte[] stream =
        [
            .. Wire.Request(NbdCommand.Read, 4096, 512, cookie: 1),
            .. Wire.Request(NbdCommand.Write, 8192, 6, cookie: 2), 1, 2, 3, 4, 5, 6,
            .. Wire.Request(NbdCommand.Write, 1 << 20, 3, cookie: 3), 7, 8, 9,
            .. Wire.Request(NbdCommand.Flush, 0, 0, cookie: 4),
            .. Wire.Request(NbdCommand.Disconnect, 0, 0, cookie: 5),
        ];
        foreach (int way in Feed.Ways(stream))
        {
            using var buffers = new NbdBufferPool();
            var found = new List<NbdIncoming>();

            Feed.By(way, Collect(new NbdRequestReader(s_agreement, buffers), found), stream);

            Assert.Equal([1, 2, 3, 4, 5], found.Select(incoming => incoming.Request.Cookie));
            Assert.Equal([NbdError.None, NbdError.None, NbdError.NoSpace, NbdError.None, NbdError.None], found.Select(incoming => incoming.Verdict));
            Assert.Equal([1, 2, 3, 4, 5, 6], found[1].Data!.Data.ToArray());
            Assert.All(found.Where((_, i) => i != 1), incoming => Assert.Null(incoming.Data));
        }
    }

    [Fact]
    public void Takes_data_straight_into_its_buffer()
    {
        using var buffers = new NbdBufferPool();
        var reader = new NbdRequestReader(s_agreement, buffers);

        Assert.Equal(30, reader.Advance([.. Wire.Request(NbdCommand.Write, 0, 5), 1, 2], out NbdIncoming? none));
        Assert.Null(none);
        new byte[] { 3, 4, 5 }.CopyTo(reader.Missing);
        Assert.Null(reader.Received(2));
        NbdIncoming? whole = reader.Received(1);

        Assert.Equal([1, 2, 3, 4, 5], whole!.Value.Data!.Data.ToArray());
        Assert.True(reader.IsBetweenRequests);
    }

    [Fact]
    public void Waits_when_a_byte_is_missing()
    {
        using var buffers = new NbdBufferPool();
        var found = new List<NbdIncoming>();

        byte[] request = Wire.Request(NbdCommand.Flush, 0, 0);
        Assert.Equal(0, Feed.Some(Collect(new NbdRequestReader(s_agreement, buffers), found), request.AsSpan()[..^1]));
        var reader = new NbdRequestReader(s_agreement, buffers);
        Feed.Some(Collect(reader, found), [.. Wire.Request(NbdCommand.Write, 0, 3), 1, 2]);

        Assert.Empty(found);
        Assert.False(reader.IsBetweenRequests);
        Assert.Equal(1, reader.Missing.Length);
    }

    [Fact]
    public void A_buffer_is_used_again_and_keeps_its_length()
    {
        using var buffers = new NbdBufferPool();
        NbdBuffer first = buffers.Rent(5000);
        buffers.Return(first);

        NbdBuffer again = buffers.Rent(8192);

        Assert.Same(first, again);
        Assert.Equal(8192, again.Data.Length);
        Assert.Equal(4096, buffers.Rent(1).Capacity);
        Assert.Equal(NbdLimits.MaxPayload, buffers.Rent(NbdLimits.MaxPayload).Capacity);
    }

    [Fact]
    public void Buffers_are_wiped_when_the_server_stops()
    {
        var buffers = new NbdBufferPool();
        NbdBuffer kept = buffers.Rent(4096);
        NbdBuffer late = buffers.Rent(4096);
        kept.Data.Span.Fill(7);
        late.Data.Span.Fill(7);
        buffers.Return(kept);

        buffers.Dispose();
        buffers.Return(late);

        Assert.Equal(new byte[4096], kept.Data.ToArray());
        Assert.Equal(new byte[4096], late.Data.ToArray());
    }

    private static Feed.Advance Collect(NbdRequestReader reader, List<NbdIncoming> found) => input =>
    {
        int taken = reader.Advance(input, out NbdIncoming? incoming);
        if (incoming is { } whole)
        {
            found.Add(whole);
        }

        return taken;
    };
}
