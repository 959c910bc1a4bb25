using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Evil.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class Qcow2CheckTests
{
    private const ulong FarAway = 0x2670a365b20eb96f;

    [Fact]
    public async Task Looks_nowhere_for_a_snapshot_table_of_no_snapshots()
    {
        EvilImage image = await EvilImage.MakeAsync();
        image.Put32(60, 0);
        image.Put64(64, FarAway);

        Assert.Equal(0, (await CheckAsync(image)).Corruptions);
    }

    [Fact]
    public async Task Refuses_a_bitmap_directory_outside_of_the_file()
    {
        EvilImage image = await EvilImage.MakeAsync();
        image.Put64(image.Extension(0x23852875) + 24, 1UL << 63);

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => CheckAsync(image));

        Assert.Equal(ErrorIds.Qcow2BitmapsInvalid, error.ErrorId);
    }

    private static Task<Qcow2CheckResult> CheckAsync(EvilImage image) =>
        Qcow2Check.RunAsync(new MemoryDevice(image.Bytes, writable: false), Sample.Token).AsTask();
}
