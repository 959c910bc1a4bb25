using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Vhd;

/// <summary>Random calls over several blocks, sessions and resizes agree with a plain array.</summary>
public sealed class VhdRandomTests
{
    private const int DiskBytes = 3 * 1024 * 1024;
    private const int Sessions = 4;
    private const int Calls = 40;

    public static TheoryData<string, int> Kinds =>
    [
        ("dynamic", 1), ("dynamic", 2), ("fixed", 3), ("differencing", 4), ("differencing", 5),
    ];

    internal static VhdCreateOptions OptionsOf(string kind, long size) => kind switch
    {
        "dynamic" => VhdSample.Dynamic(size),
        "fixed" => VhdSample.Dynamic(size) with { Preallocation = Preallocation.Metadata },
        _ => VhdSample.Differencing(size),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Agrees_with_an_array(string kind, int seed)
    {
        var random = new Random(seed);
        byte[] parent = new byte[DiskBytes + 300_000];
        random.NextBytes(parent);
        VhdCreateOptions options = OptionsOf(kind, DiskBytes);
        byte[] model = options.Parent is null ? new byte[DiskBytes] : parent[..DiskBytes];
        var file = new MemoryDevice(await VhdSample.CreateAsync(options));
        for (int session = 0; session < Sessions; session++)
        {
            await using (IVirtualDisk image = await VhdSample.OpenAsync(file, VhdSample.Writable, parent))
            {
                var calls = new RandomCalls(image, model, random.Next(), largest: 4 * VhdSample.Block);
                await calls.RunAsync(Calls, VhdSample.Token);
                model = calls.Expected;
                Assert.Equal(model, await VhdSample.ReadAllAsync(image));
            }

            await using IVirtualDisk reopened = await VhdSample.OpenAsync(file, parent: parent);
            Assert.Equal(model, await VhdSample.ReadAllAsync(reopened));
        }
    }
}
