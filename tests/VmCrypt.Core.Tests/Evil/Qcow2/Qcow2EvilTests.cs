using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Images.Qcow2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Evil.Qcow2;

public sealed class Qcow2EvilTests
{
    // One good image serves all rows; each works on a copy.
    private static readonly Lazy<Task<EvilImage>> s_good = new(EvilImage.MakeAsync);

    public static TheoryData<string> OpeningRows => [.. Qcow2Rows.Opening.Keys];

    public static TheoryData<string> ReadingRows => [.. Qcow2Rows.Reading.Keys];

    public static TheoryData<string> WritingRows => [.. Qcow2Rows.Writing.Keys];

    [Fact]
    public async Task The_good_image_is_good()
    {
        EvilImage image = await s_good.Value;

        await Sample.CheckAsync(image.Bytes);
        await using Qcow2Image disk = await OpenAsync(image.Bytes);
        Assert.Equal(["old"], disk.Snapshots.Select(snapshot => snapshot.Name));
        Assert.Equal(["mark"], (await disk.ReadBitmapsAsync(Sample.Token)).Select(bitmap => bitmap.Name));
        await disk.ReadAsync(0, new byte[65536], Sample.Token);
        await disk.WriteAsync(0, new byte[512], Sample.Token);
        await disk.WriteAsync(disk.Length - 512, new byte[512], Sample.Token);
    }

    [Theory]
    [MemberData(nameof(OpeningRows))]
    public async Task Refuses_to_open(string row)
    {
        (string expected, Action<EvilImage> change) = Qcow2Rows.Opening[row];
        EvilImage image = (await s_good.Value).Copy();
        change(image);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => OpenAsync(image.Bytes));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(ReadingRows))]
    public async Task Refuses_to_read(string row)
    {
        (string expected, Action<EvilImage> change) = Qcow2Rows.Reading[row];
        EvilImage image = (await s_good.Value).Copy();
        change(image);
        await using Qcow2Image disk = await OpenAsync(image.Bytes);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () => await disk.ReadAsync(512, new byte[512], Sample.Token));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(WritingRows))]
    public async Task Refuses_to_write_and_changes_nothing(string row)
    {
        (string expected, Action<EvilImage> change) = Qcow2Rows.Writing[row];
        EvilImage image = (await s_good.Value).Copy();
        change(image);
        var file = new RecordingDevice(new MemoryDevice([.. image.Bytes]));
        Qcow2Image disk = await Sample.OpenAsync(file, Sample.Writable, backing: []);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () =>
        {
            await disk.WriteAsync(512, new byte[512], Sample.Token);
            await disk.WriteAsync(disk.Length - 512, new byte[512], Sample.Token);
        });

        Assert.Equal(expected, error.ErrorId);
        Assert.DoesNotContain(file.Effects.OfType<WriteEffect>(), write => write.Offset < image.EndOfTables);
    }

    [Theory]
    [InlineData(0, ErrorIds.Qcow2MagicInvalid)]
    [InlineData(7, ErrorIds.Qcow2MagicInvalid)]
    [InlineData(8, ErrorIds.Qcow2HeaderTruncated)]
    [InlineData(103, ErrorIds.Qcow2HeaderTruncated)]
    [InlineData(104, ErrorIds.Qcow2HeaderLengthInvalid)]
    [InlineData(112, ErrorIds.Qcow2BitmapsInvalid)]
    [InlineData(4096, ErrorIds.Qcow2L1OffsetInvalid)]
    public async Task Refuses_a_truncated_file(int length, string expected)
    {
        byte[] bytes = (await s_good.Value).Bytes[..length];

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => OpenAsync(bytes));

        Assert.Equal(expected, error.ErrorId);
    }

    [Fact]
    public async Task Names_an_unknown_feature_as_the_image_does()
    {
        EvilImage image = (await s_good.Value).Copy();
        image.SetBit(72, 5);
        // The last row of the feature name table: incompatible bit 5.
        int row = image.Extension(0x6803F857) + 8 + (7 * 48);
        image.Bytes.AsSpan(row, 48).Clear();
        image.Bytes[row + 1] = 5;
        "time travel"u8.CopyTo(image.Bytes.AsSpan(row + 2));

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => OpenAsync(image.Bytes));

        Assert.Contains("time travel", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Random_bytes_in_header_and_tables_end_in_errors_of_ours()
    {
        EvilImage good = await s_good.Value;
        for (int seed = 0; seed < 300; seed++)
        {
            EvilImage image = good.Copy();
            var random = new Random(seed);
            for (int i = 0; i < 1 + (seed % 20); i++)
            {
                // Mostly header and tables, which is where the numbers are.
                int at = random.Next(2) == 0 ? random.Next(512) : random.Next(image.Bytes.Length);
                image.Bytes[at] = (byte)random.Next(256);
            }

            await UseAsync(image.Bytes);
        }
    }

    private static async Task UseAsync(byte[] bytes)
    {
        try
        {
            await using Qcow2Image disk = await OpenAsync(bytes);
            byte[] buffer = new byte[128 * 1024];
            await disk.ReadAsync(0, buffer, Sample.Token);
            await disk.WriteAsync(0, buffer, Sample.Token);
            await disk.ZeroAsync(32768, 65536, ZeroFlags.None, Sample.Token);
            await disk.FlushAsync(Sample.Token);
        }
        catch (VmCryptException)
        {
            // What was damaged was named.
        }
    }

    private static Task<Qcow2Image> OpenAsync(byte[] bytes) => Sample.OpenAsync(new MemoryDevice([.. bytes]), Sample.Writable, backing: [], dataFile: new MemoryDevice(0));
}
