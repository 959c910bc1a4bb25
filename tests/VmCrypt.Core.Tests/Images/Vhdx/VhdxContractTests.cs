using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Vhdx;

/// <summary>Every kind of VHDX file is a device like any other.</summary>
public abstract class VhdxContract : ReadOnlyDeviceContract
{
    private protected virtual VhdxCreateOptions Options { get; } = VhdxSample.Dynamic(Size);

    private protected virtual byte[]? Parent => null;

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await VhdxSample.OpenAsync(new MemoryDevice(await VhdxSample.WithContentAsync(Options, content, Parent)), VhdxSample.Writable, Parent);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) => await VhdxSample.OpenAsync(
        new MemoryDevice(await VhdxSample.WithContentAsync(Options, content, Parent), writable: false), parent: Parent);
}

public sealed class DynamicVhdxTests : VhdxContract;

public sealed class FixedVhdxTests : VhdxContract
{
    private protected override VhdxCreateOptions Options { get; } = VhdxSample.Dynamic(Size) with { Preallocation = Preallocation.Metadata };
}

public sealed class LargeSectorVhdxTests : VhdxContract
{
    private protected override VhdxCreateOptions Options { get; } = VhdxSample.Dynamic(Size) with { LogicalSectorSize = 4096 };
}

public sealed class DifferencingVhdxTests : VhdxContract
{
    private protected override VhdxCreateOptions Options { get; } = VhdxSample.Differencing(Size);

    private protected override byte[]? Parent { get; } = Noise(Size * 3 / 2, seed: 77);
}

public sealed class LargeSectorDifferencingVhdxTests : VhdxContract
{
    private protected override VhdxCreateOptions Options { get; } = VhdxSample.Differencing(Size) with { LogicalSectorSize = 4096 };

    private protected override byte[]? Parent { get; } = Noise(Size / 2, seed: 78);
}
