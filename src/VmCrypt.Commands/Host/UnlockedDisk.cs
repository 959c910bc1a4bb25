using VmCrypt.Core.Block;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>A disk whose layers are joined; owns all of them.</summary>
internal sealed class UnlockedDisk(DiskStack stack, IBlockDevice device) : IDisposable, IAsyncDisposable
{
    public DiskLocation Location => stack.Location;

    /// <summary>The plain bytes.</summary>
    public IBlockDevice Device => device;

    public ValueTask DisposeAsync() => stack.DisposeAsync();

    public void Dispose() => stack.DisposeAsync().AsTask().GetAwaiter().GetResult();
}
