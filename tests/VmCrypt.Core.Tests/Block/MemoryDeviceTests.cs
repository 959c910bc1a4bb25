using VmCrypt.Core.Block;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block;

public sealed class MemoryDeviceTests : ReadOnlyDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) => new(new MemoryDevice(content));

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) => new(new MemoryDevice(content, writable: false));
}
