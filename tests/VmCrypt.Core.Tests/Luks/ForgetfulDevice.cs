using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Accepts writes that start in a range and loses them, as a medium that lies.</summary>
internal sealed class ForgetfulDevice(IBlockDevice inner, long from, long to) : FilterDevice(inner)
{
    public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        offset >= from && offset < to ? ValueTask.CompletedTask : base.WriteAsync(offset, buffer, cancellationToken);
}
