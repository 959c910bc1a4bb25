using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Tests.Images.Vhdx;

namespace VmCrypt.Core.Tests.Evil.Vhdx;

public sealed class VhdxEvilTests
{
    // One good file each serves all rows; each works on a copy.
    private static readonly Lazy<Task<EvilVhdx>> s_waiting = new(EvilVhdx.MakeAsync);
    private static readonly Lazy<Task<EvilVhdx>> s_clean = new(EvilVhdx.MakeCleanAsync);

    public static TheoryData<string> OpeningRows => [.. VhdxRows.Opening.Keys];

    public static TheoryData<string> ReadingRows => [.. VhdxRows.Reading.Keys];

    public static TheoryData<string> HarmlessRows => [.. VhdxRows.Harmless.Keys];

    [Theory]
    [MemberData(nameof(OpeningRows))]
    public async Task Refuses_to_open(string row)
    {
        (string expected, Action<EvilVhdx> change) = VhdxRows.Opening[row];
        EvilVhdx file = (await s_waiting.Value).Copy();
        change(file);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => OpenAsync(file.Bytes));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(ReadingRows))]
    public async Task Refuses_to_read(string row)
    {
        (string expected, Action<EvilVhdx> change) = VhdxRows.Reading[row];
        EvilVhdx file = (await s_clean.Value).Copy();
        change(file);
        await using VhdxImage disk = await OpenAsync(file.Bytes);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () => await disk.ReadAsync(0, new byte[512], VhdxSample.Token));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(HarmlessRows))]
    public async Task Passes_over(string row)
    {
        (bool replays, Action<EvilVhdx> change) = VhdxRows.Harmless[row];
        EvilVhdx file = (await s_waiting.Value).Copy();
        change(file);

        await using VhdxImage disk = await OpenAsync(file.Bytes);

        Assert.Equal(replays, disk.Facts.IsLogPending);
        await disk.ReadAsync(0, new byte[512], VhdxSample.Token);
    }

    [Fact]
    public async Task A_file_without_log_is_only_read()
    {
        EvilVhdx file = (await s_clean.Value).Copy();
        file.Header(68, at => file.Put32(at, 0));

        await using (VhdxImage disk = await OpenAsync(file.Bytes))
        {
            await disk.ReadAsync(0, new byte[512], VhdxSample.Token);
        }

        var error = await Assert.ThrowsAsync<RefusedException>(() => VhdxSample.OpenAsync(new MemoryDevice(file.Bytes), VhdxSample.Writable, []));
        Assert.Equal(ErrorIds.VhdxLogMissing, error.ErrorId);
    }

    private static Task<VhdxImage> OpenAsync(byte[] file) =>
        VhdxSample.OpenAsync(new MemoryDevice(file, writable: false), parent: new byte[EvilVhdx.DiskBytes]);
}
