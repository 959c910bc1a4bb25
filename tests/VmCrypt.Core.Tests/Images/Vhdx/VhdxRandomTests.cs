using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;

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
                for (int call = 0; call < Calls; call++)
                {
                    model = await StepAsync(image, model, random);
                }

                Assert.Equal(model, await VhdxSample.ReadAllAsync(image));
            }

            await using VhdxImage reopened = await VhdxSample.OpenAsync(file, parent: parent);
            Assert.False(reopened.Facts.IsLogPending);
            Assert.Equal(model, await VhdxSample.ReadAllAsync(reopened));
        }
    }

    private static async Task<byte[]> StepAsync(VhdxImage image, byte[] model, Random random)
    {
        int alignment = Math.Max(512, image.Traits.RequiredAlignment);
        int offset = random.Next(model.Length) & -alignment;
        int most = random.Next(3) switch { 0 => 4 * VhdxSample.Block, 1 => 300_000, _ => 9000 };
        int count = Math.Max(alignment, Math.Min(random.Next(most), model.Length - offset) & -alignment);
        switch (random.Next(12))
        {
            case < 5:
                random.NextBytes(model.AsSpan(offset, count));
                await image.WriteAsync(offset, model.AsMemory(offset, count), VhdxSample.Token);
                return model;
            case < 8:
                model.AsSpan(offset, count).Clear();
                await image.ZeroAsync(offset, count, (ZeroFlags)random.Next(2), VhdxSample.Token);
                return model;
            case < 10:
                await image.TrimAsync(offset, count, VhdxSample.Token);
                await image.ReadAsync(offset, model.AsMemory(offset, count), VhdxSample.Token);
                return model;
            case < 11:
                await image.FlushAsync(VhdxSample.Token);
                return model;
            default:
                int length = Math.Max(65536, random.Next(DiskBytes * 2) & -4096);
                await image.SetLengthAsync(length, VhdxSample.Token);
                Array.Resize(ref model, length);
                return model;
        }
    }
}
