using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;

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
                for (int call = 0; call < Calls; call++)
                {
                    model = await StepAsync(image, model, random);
                }

                Assert.Equal(model, await VhdSample.ReadAllAsync(image));
            }

            await using IVirtualDisk reopened = await VhdSample.OpenAsync(file, parent: parent);
            Assert.Equal(model, await VhdSample.ReadAllAsync(reopened));
        }
    }

    private static async Task<byte[]> StepAsync(IVirtualDisk image, byte[] model, Random random)
    {
        int alignment = Math.Max(512, image.Traits.RequiredAlignment);
        int offset = random.Next(model.Length) & -alignment;
        int most = random.Next(3) switch { 0 => 4 * VhdSample.Block, 1 => 300_000, _ => 9000 };
        int count = Math.Max(alignment, Math.Min(random.Next(most), model.Length - offset) & -alignment);
        switch (random.Next(12))
        {
            case < 5:
                random.NextBytes(model.AsSpan(offset, count));
                await image.WriteAsync(offset, model.AsMemory(offset, count), VhdSample.Token);
                return model;
            case < 8:
                model.AsSpan(offset, count).Clear();
                await image.ZeroAsync(offset, count, (ZeroFlags)random.Next(2), VhdSample.Token);
                return model;
            case < 10:
                await image.TrimAsync(offset, count, VhdSample.Token);
                await image.ReadAsync(offset, model.AsMemory(offset, count), VhdSample.Token);
                return model;
            case < 11:
                await image.FlushAsync(VhdSample.Token);
                return model;
            default:
                int length = Math.Max(65536, random.Next(DiskBytes * 2) & -4096);
                await image.SetLengthAsync(length, VhdSample.Token);
                Array.Resize(ref model, length);
                return model;
        }
    }
}
