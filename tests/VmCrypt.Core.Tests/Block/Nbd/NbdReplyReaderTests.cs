using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Nbd;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdReplyReaderTests
{
    private static readonly NbdAgreement s_structured = new(1 << 20, NbdTransmissionFlags.HasFlags) { StructuredReplies = true, AllocationContext = 5 };
    private static readonly NbdAgreement s_simple = new(1 << 20, NbdTransmissionFlags.HasFlags);

    [Fact]
    public void Reads_simple_replies_however_they_come()
    {
        byte[] replies = [.. Wire.SimpleReply(2), .. Wire.SimpleReply(1, NbdError.None, 1, 2, 3, 4), .. Wire.SimpleReply(3, NbdError.NoSpace)];
        foreach (int way in Feed.Ways(replies))
        {
            var calls = new NbdCalls();
            NbdCall read = Added(calls, Read(0, 4));
            NbdCall write = Added(calls, new NbdCall(NbdCommand.Write, NbdCommandFlags.None, 0, 4));
            NbdCall full = Added(calls, new NbdCall(NbdCommand.Write, NbdCommandFlags.None, 0, 4));

            Feed.By(way, new NbdReplyReader(s_simple, calls).Advance, replies);

            Assert.True(read.Task.IsCompletedSuccessfully && write.Task.IsCompletedSuccessfully);
            Assert.Equal([1, 2, 3, 4], read.Target.ToArray());
            Assert.Equal(ErrorIds.DiskFull, ErrorOf(full));
            Assert.Equal(0, calls.Count);
        }
    }

    [Fact]
    public void Puts_chunks_of_data_and_holes_in_their_place_however_they_come()
    {
        byte[] replies =
        [
            .. Wire.DataChunk(1, 104, done: false, 5, 6),
            .. Wire.SimpleReply(2),
            .. Wire.DataChunk(1, 100, done: false, 1, 2),
            .. Wire.HoleChunk(1, 102, 2, done: false),
            .. Wire.Chunk(1, NbdChunkType.None, done: true),
        ];
        foreach (int way in Feed.Ways(replies))
        {
            var calls = new NbdCalls();
            NbdCall read = Added(calls, Read(100, 6));
            NbdCall flush = Added(calls, new NbdCall(NbdCommand.Flush, NbdCommandFlags.None, 0, 0));

            Feed.By(way, new NbdReplyReader(s_structured, calls).Advance, replies);

            Assert.True(read.Task.IsCompletedSuccessfully && flush.Task.IsCompletedSuccessfully);
            Assert.Equal([1, 2, 0, 0, 5, 6], read.Target.ToArray());
        }
    }

    [Fact]
    public void Takes_data_straight_into_the_callers_memory()
    {
        var calls = new NbdCalls();
        NbdCall read = Added(calls, Read(0, 6));
        var reader = new NbdReplyReader(s_structured, calls);
        byte[] reply = Wire.DataChunk(1, 0, done: true, 1, 2, 3, 4, 5, 6);

        int taken = Feed.Some(reader.Advance, reply.AsSpan(0, 30));
        Assert.Equal(4, reader.Missing.Length);
        reply.AsMemory(taken, 3).CopyTo(reader.Missing);
        reader.Received(3);
        reply.AsMemory(taken + 3).CopyTo(reader.Missing);
        Assert.False(read.Task.IsCompleted);
        reader.Received(1);

        Assert.True(read.Task.IsCompletedSuccessfully);
        Assert.Equal([1, 2, 3, 4, 5, 6], read.Target.ToArray());
        Assert.True(reader.Missing.IsEmpty);
    }

    [Fact]
    public void Reads_extents_however_they_come()
    {
        byte[] replies =
        [
            .. Wire.Chunk(1, NbdChunkType.BlockStatus, done: false,
                [.. Wire.U32(5), .. Wire.U32(512), .. Wire.U32(0), .. Wire.U32(1024), .. Wire.U32(3), .. Wire.U32(9999), .. Wire.U32(2)]),
            .. Wire.Chunk(1, NbdChunkType.None, done: true),
        ];
        foreach (int way in Feed.Ways(replies))
        {
            var calls = new NbdCalls();
            NbdCall status = Added(calls, new NbdCall(NbdCommand.BlockStatus, NbdCommandFlags.None, 0, 4096));

            Feed.By(way, new NbdReplyReader(s_structured, calls).Advance, replies);

            Assert.True(status.Task.IsCompletedSuccessfully);
            Assert.Equal([(512u, NbdExtentFlags.Data), (1024u, NbdExtentFlags.Hole | NbdExtentFlags.Zero), (9999u, NbdExtentFlags.Zero)], status.Extents);
        }
    }

    [Fact]
    public void Error_chunks_fail_their_call_with_the_servers_words_however_they_come()
    {
        byte[] replies =
        [
            .. Wire.ErrorChunk(1, NbdError.InputOutput, "bad sector", done: false),
            .. Wire.DataChunk(1, 0, done: true, 1, 2, 3, 4),
            .. Wire.Chunk(2, NbdChunkType.ErrorOffset, done: true, [.. Wire.U32(28), .. Wire.U16(4), .. "full"u8, .. Wire.U64(4096)]),
            .. Wire.Chunk(3, (NbdChunkType)0x8777, done: true, [.. Wire.U32(1), .. Wire.U16(0), 9, 9, 9]),
        ];
        foreach (int way in Feed.Ways(replies))
        {
            var calls = new NbdCalls();
            NbdCall read = Added(calls, Read(0, 4));
            NbdCall write = Added(calls, new NbdCall(NbdCommand.Write, NbdCommandFlags.None, 4096, 4));
            NbdCall trim = Added(calls, new NbdCall(NbdCommand.Trim, NbdCommandFlags.None, 0, 4));

            Feed.By(way, new NbdReplyReader(s_structured, calls).Advance, replies);

            Assert.Equal(ErrorIds.DeviceIO, ErrorOf(read));
            Assert.Contains("bad sector", read.Task.Exception!.InnerException!.Message, StringComparison.Ordinal);
            Assert.Equal(ErrorIds.DiskFull, ErrorOf(write));
            Assert.Equal(ErrorIds.DeviceReadOnly, ErrorOf(trim));
        }
    }

    [Theory]
    [InlineData(1u, ErrorIds.DeviceReadOnly)]
    [InlineData(5u, ErrorIds.DeviceIO)]
    [InlineData(12u, ErrorIds.DeviceIO)]
    [InlineData(22u, ErrorIds.DeviceIO)]
    [InlineData(28u, ErrorIds.DiskFull)]
    [InlineData(75u, ErrorIds.DeviceIO)]
    [InlineData(95u, ErrorIds.ZeroNotFast)]
    [InlineData(108u, ErrorIds.NbdConnectionLost)]
    [InlineData(4711u, ErrorIds.DeviceIO)]
    public void Every_error_number_has_its_id(uint error, string errorId)
    {
        var calls = new NbdCalls();
        NbdCall zero = Added(calls, new NbdCall(NbdCommand.WriteZeroes, NbdCommandFlags.FastZero, 0, 4096));

        Feed.All(new NbdReplyReader(s_structured, calls).Advance, Wire.SimpleReply(1, (NbdError)error));

        Assert.Equal(errorId, ErrorOf(zero));
    }

    [Fact]
    public void The_data_of_an_abandoned_call_is_thrown_away()
    {
        var calls = new NbdCalls();
        NbdCall cancelled = Added(calls, Read(0, 4));
        NbdCall next = Added(calls, Read(0, 4));
        cancelled.Cancel(new CancellationToken(canceled: true));
        Assert.True(cancelled.Task.IsCanceled);

        Feed.All(new NbdReplyReader(s_structured, calls).Advance,
            [.. Wire.HoleChunk(1, 0, 2, done: false), .. Wire.DataChunk(1, 2, done: true, 3, 4), .. Wire.DataChunk(2, 0, done: true, 5, 6, 7, 8)]);

        Assert.Equal([9, 9, 9, 9], cancelled.Target.ToArray());
        Assert.Equal([5, 6, 7, 8], next.Target.ToArray());
        Assert.Equal(0, calls.Count);
    }

    [Fact]
    public void A_call_is_let_go_only_when_the_wire_has_left_its_memory()
    {
        var calls = new NbdCalls();
        NbdCall read = Added(calls, Read(0, 4));
        var reader = new NbdReplyReader(s_structured, calls);
        byte[] reply = Wire.DataChunk(1, 0, done: false, 1, 2, 3, 4);
        int taken = Feed.Some(reader.Advance, reply.AsSpan()[..^1]);

        read.Cancel(new CancellationToken(canceled: true));
        Assert.True(read.IsStuck);
        Assert.False(read.Task.IsCompleted);
        Feed.All(reader.Advance, reply.AsSpan(taken));

        Assert.False(read.IsStuck);
        Assert.True(read.Task.IsCanceled);
    }

    private static NbdCall Read(long offset, int length) =>
        new(NbdCommand.Read, NbdCommandFlags.None, offset, length, Enumerable.Repeat((byte)9, length).ToArray());

    private static NbdCall Added(NbdCalls calls, NbdCall call)
    {
        calls.Add(call);
        return call;
    }

    private static string ErrorOf(NbdCall call) => Assert.IsAssignableFrom<VmCryptException>(call.Task.Exception!.InnerException).ErrorId;
}
