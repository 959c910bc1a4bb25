using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Block;

public sealed class MemoryDeviceTests : ReadOnlyDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) => new(new MemoryDevice(content));

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) => new(new MemoryDevice(content, writable: false));
}
