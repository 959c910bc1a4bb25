using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Conversions of the disks in VHDX and VHD files, stopped and gone on with.</summary>
public sealed class ContainedConversionTests
{
    private const int Stops = 3;
    private const int Rounds = 3;

    // A step of the effects, most of which are passes that erase.
    private const int CutStep = 79;

    private static readonly string[] s_names =
    [
        "protect vhdx", "protect vhdxfixed", "protect vhd", "protect vhdfixed",
        "protect vhdx4k detached", "protect vhd detached journal", "protect vhdfixed luks1", "protect vhdx reduced",
        "unprotect vhdx", "unprotect vhd", "unprotect vhdfixed", "unprotect vhdxfixed journal", "unprotect vhdfixed detached", "unprotect vhd luks1",
        "update vhdx", "update vhd journal", "update vhdfixed", "update vhdx4k detached",
    ];

    public static TheoryData<string> Names => [.. s_names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_process_that_dies_leaves_what_the_same_command_finishes(string name)
    {
        DiskConversion before = await DiskConversion.CreateAsync(name);
        int all = await before.Clone().CountAsync();

        for (int stop = 0; stop < Stops; stop++)
        {
            DiskConversion conversion = before.Clone();
            // The first effects are those of which each is another step.
            int effects = stop < 2 ? (11 * stop) + (name.Length % 11) : (stop * all / Stops) + (name.Length % 11);
            Assert.True(await conversion.StopAsync(effects));
            await conversion.RequireSoundAsync();
            await conversion.GoOnAsync(resume: stop % 2 == 1);
            await conversion.VerifyAsync();
        }
    }

    [Theory]
    [InlineData("protect vhdx")]
    [InlineData("protect vhd")]
    [InlineData("protect vhdfixed")]
    [InlineData("unprotect vhd")]
    [InlineData("unprotect vhdx")]
    [InlineData("update vhdx4k detached")]
    public async Task A_power_cut_that_drops_and_tears_what_was_not_flushed_loses_nothing(string name) =>
        await ReencryptionPowerCutTests.CutAsync(await DiskConversion.CreateAsync(name), count => count % CutStep == 0);

    [Theory]
    [InlineData("protect vhdx")]
    [InlineData("protect vhd")]
    [InlineData("protect vhdfixed")]
    [InlineData("unprotect vhd")]
    public async Task A_full_file_system_stops_it_and_with_room_it_goes_on(string name) =>
        await ReencryptionFaultTests.FillAsync(await DiskConversion.CreateAsync(name), CutStep);

    [Fact]
    public async Task Who_is_stopped_at_random_over_and_over_comes_to_the_end()
    {
        var random = new Random(31);
        for (int round = 0; round < Rounds; round++)
        {
            DiskConversion conversion = await DiskConversion.CreateAsync(s_names[random.Next(s_names.Length)]);
            for (int tries = 0; tries < 4 && !await conversion.IsDoneAsync() && await conversion.StopAsync(random.Next(200)); tries++)
            {
                await conversion.RequireSoundAsync();
            }

            await conversion.GoOnAsync(resume: random.Next(2) == 0);
            await conversion.VerifyAsync();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fixed_VHD_that_lost_its_footer_while_it_grew_is_not_taken_for_a_raw_disk(bool named)
    {
        DiskConversion before = await DiskConversion.CreateAsync("protect vhdfixed");
        DiskConversion conversion;
        int effects = 0;
        do
        {
            conversion = before.Clone();
            Assert.True(await conversion.StopAsync(effects++));
        }
        while (await VhdFooter.ReadAsync(conversion.Data, conversion.Data.Length - VhdFooter.Size, TestContext.Current.CancellationToken) is not null);

        conversion.Shelf.Wrap = device => device;
        await (await conversion.OpenAsync(device => device, named ? ImageFormat.Vhd : null)).DisposeAsync();

        Assert.Equal(before.Data.ToArray(), conversion.Data.ToArray());
        await conversion.RunAsync();
        await conversion.VerifyAsync();
    }

    [Theory]
    [InlineData("unprotect")]
    [InlineData("unprotect detached")]
    public async Task A_raw_disk_whose_guest_keeps_a_VHDX_file_at_its_start_is_gone_on_with_as_a_raw_disk(string name)
    {
        byte[] nested = await VhdxSample.WithContentAsync(VhdxSample.Dynamic(0), [.. Enumerable.Repeat((byte)7, 64 << 10)]);
        DiskConversion before = await DiskConversion.CreateAsync(name, plain: nested);
        int all = await before.Clone().CountAsync();

        for (int effects = all - 1; effects > 0; effects -= all / 5)
        {
            DiskConversion conversion = before.Clone();
            Assert.True(await conversion.StopAsync(effects));
            await conversion.GoOnAsync(resume: true);
            await conversion.VerifyAsync();
        }
    }

    [Theory]
    [InlineData("unprotect vhdfixed")]
    [InlineData("update vhdfixed")]
    [InlineData("update vhd detached")]
    public async Task The_format_that_is_named_must_be_that_of_what_is_unfinished(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name);
        await (conversion.NeedsShelf ? conversion.BeginAsync() : conversion.StopHotAsync());
        byte[] before = conversion.Data.ToArray();

        var error = await Assert.ThrowsAsync<InvalidInputException>(async () => await conversion.OpenAsync(device => device, ImageFormat.Raw));

        Assert.Equal(ErrorIds.FormatMismatch, error.ErrorId);
        Assert.Equal(before, conversion.Data.ToArray());
    }

    [Fact]
    public async Task A_VHD_that_cryptsetup_has_begun_with_is_not_gone_on_with_as_a_raw_disk()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("update vhdfixed");
        await conversion.StopHotAsync();
        // A fixed VHD begins with its disk, and so with the header.
        var store = new Luks2Store(conversion.Data, await Luks2Copies.ReadAsync(conversion.Data, TestContext.Current.CancellationToken));
        await store.BeginAsync(TestContext.Current.CancellationToken);
        await store.CommitAsync(new Luks2Edit(store.Metadata).SetFlags([Luks2ReencryptHeader.VhdFlag], false).Done());
        byte[] before = conversion.Data.ToArray();
        using SecretBuffer old = Sample.Secret(Sample.Passphrase), next = Sample.Secret(DiskConversion.NewPassphrase);
        await using ReencryptedImage image = await conversion.OpenAsync(device => device, ImageFormat.Raw);

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => DiskReencryption.ResumeAsync(image, [old, next], null, TestContext.Current.CancellationToken));

        Assert.Equal(ErrorIds.InPlaceUnsupported, error.ErrorId);
        Assert.Equal(before, conversion.Data.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_fixed_VHD_is_finished_under_its_name_from_the_last_steps_on(int left)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("unprotect vhdfixed");
        Assert.True(await conversion.StopAsync(await conversion.Clone().CountAsync() - left));

        await conversion.RunAsync(device => device);

        await conversion.VerifyAsync();
    }

    [Fact]
    public async Task A_VHD_without_footer_is_not_gone_on_with()
    {
        DiskConversion conversion = await DiskConversion.CreateAsync("unprotect vhdfixed");
        await conversion.BeginAsync();
        await conversion.Data.ZeroAsync(conversion.Data.Length - 512, 512, default, TestContext.Current.CancellationToken);
        byte[] before = conversion.Data.ToArray();

        var error = await Assert.ThrowsAsync<InvalidImageException>(conversion.ResumeAsync);

        Assert.Equal(ErrorIds.VhdFooterInvalid, error.ErrorId);
        Assert.Equal(before, conversion.Data.ToArray());
    }
}
