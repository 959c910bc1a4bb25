using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Vhd;

/// <summary>Every kind of VHD file is a device like any other.</summary>
public abstract class VhdContract : ReadOnlyDeviceContract
{
    private protected virtual VhdCreateOptions Options { get; } = VhdSample.Dynamic(Size);

    private protected virtual byte[]? Parent => null;

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        await VhdSample.OpenAsync(new MemoryDevice(await VhdSample.WithContentAsync(Options, content, Parent)), VhdSample.Writable, Parent);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) => await VhdSample.OpenAsync(
        new MemoryDevice(await VhdSample.WithContentAsync(Options, content, Parent), writable: false), parent: Parent);
}

public sealed class DynamicVhdTests : VhdContract;

public sealed class FixedVhdTests : VhdContract
{
    private protected override VhdCreateOptions Options { get; } = VhdSample.Dynamic(Size) with { Preallocation = Preallocation.Metadata };
}

public sealed class DifferencingVhdTests : VhdContract
{
    private protected override VhdCreateOptions Options { get; } = VhdSample.Differencing(Size);

    private protected override byte[]? Parent { get; } = Noise(Size * 3 / 2, seed: 77);
}
