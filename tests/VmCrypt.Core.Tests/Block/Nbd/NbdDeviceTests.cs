using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Tests.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Nbd;

/// <summary>Our client on our server, over a Unix socket with several connections.</summary>
public sealed class NbdDeviceTests : ReadOnlyDeviceContract
{
    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await ServedDevice.CreateAsync(new MemoryDevice(content), NbdClientOptions.Default);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        await ServedDevice.CreateAsync(new MemoryDevice(content, writable: false), NbdClientOptions.Default);
}

/// <summary>The same over a device that insists on whole blocks and never answers at once.</summary>
public sealed class NbdDeviceOverBlocksTests : BlockDeviceContract
{
    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await ServedDevice.CreateAsync(new BlockyDevice(new MemoryDevice(content), 512), new NbdClientOptions { MaxConnections = 1 });
}
