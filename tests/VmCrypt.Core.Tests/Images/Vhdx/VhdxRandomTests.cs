using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Vhdx;

/// <summary>Random calls over several blocks, sessions and resizes agree with a plain array.</summary>
public sealed class VhdxRandomTests
{
    private const int DiskBytes = 5 * 1024 * 1024;
    private const int Sessions = 4;
    private const int Calls = 40;

    public static TheoryData<string, int> Kinds =>
    [
        ("dynamic", 1), ("dynamic", 2), ("fixed", 3), ("differencing", 4), ("differencing", 5), ("large sectors", 6), ("large differencing", 7),
    ];

    internal static VhdxCreateOptions OptionsOf(string kind, long size) => kind switch
    {
        "dynamic" => VhdxSample.Dynamic(size),
        "fixed" => VhdxSample.Dynamic(size) with { Preallocation = Preallocation.Metadata },
        "differencing" => VhdxSample.Differencing(size),
        "large sectors" => VhdxSample.Dynamic(size) with { LogicalSectorSize = 4096 },
        _ => VhdxSample.Differencing(size) with { LogicalSectorSize = 4096 },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Agrees_with_an_array(string kind, int seed)
    {
        var random = new Random(seed);
        byte[] parent = new byte[DiskBytes + 300_000];
        random.NextBytes(parent);
        VhdxCreateOptions options = OptionsOf(kind, DiskBytes);
        byte[] model = options.Parent is null ? new byte[DiskBytes] : parent[..DiskBytes];
        var file = new MemoryDevice(await VhdxSample.CreateAsync(options));
        for (int session = 0; session < Sessions; session++)
        {
            await using (VhdxImage image = await VhdxSample.OpenAsync(file, VhdxSample.Writable, parent))
            {
                var calls = new RandomCalls(image, model, random.Next(), largest: 4 * VhdxSample.Block);
                await calls.RunAsync(Calls, VhdxSample.Token);
                model = calls.Expected;
                Assert.Equal(model, await VhdxSample.ReadAllAsync(image));
            }

            await using VhdxImage reopened = await VhdxSample.OpenAsync(file, parent: parent);
            Assert.False(reopened.Facts.IsLogPending);
            Assert.Equal(model, await VhdxSample.ReadAllAsync(reopened));
        }
    }
}
