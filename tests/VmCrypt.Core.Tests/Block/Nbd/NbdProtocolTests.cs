using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Tests.Nbd;

namespace VmCrypt.Core.Tests.Block.Nbd;

public sealed class NbdProtocolTests
{
    [Fact]
    public void Structures_have_the_size_and_bytes_of_the_specification()
    {
        Check(Wire.Request(NbdCommand.WriteZeroes, 0x0102030405060708, 0x11121314, 0xa1a2a3a4a5a6a7a8, NbdCommandFlags.NoHole), NbdRequest.Size,
            bytes => NbdRequest.Parse(bytes), (value, target) => value.WriteTo(target));
        Check(Wire.SimpleReply(0xa1a2a3a4a5a6a7a8, NbdError.NoSpace), NbdSimpleReply.Size,
            bytes => NbdSimpleReply.Parse(bytes), (value, target) => value.WriteTo(target));
        Check(Wire.Chunk(0xa1a2a3a4a5a6a7a8, NbdChunkType.None, done: true), NbdChunk.Size,
            bytes => NbdChunk.Parse(bytes), (value, target) => value.WriteTo(target));
        Check(Wire.Option(NbdOption.SetMetaContext), NbdOptionHeader.Size,
            bytes => NbdOptionHeader.Parse(bytes), (value, target) => value.WriteTo(target));
        Check(Wire.OptionReply(NbdOption.Go, NbdOptionReplyType.ErrorTooBig), NbdOptionReply.Size,
            bytes => NbdOptionReply.Parse(bytes), (value, target) => value.WriteTo(target));
    }

    private delegate T Parse<T>(ReadOnlySpan<byte> bytes);

    private delegate void Write<T>(T value, Span<byte> target);

    private static void Check<T>(byte[] expected, int size, Parse<T> parse, Write<T> write)
    {
        Assert.Equal(expected.Length, size);
        byte[] written = new byte[size];
        write(parse(expected), written);
        Assert.Equal(expected, written);
    }
}
