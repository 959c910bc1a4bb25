using System.Text;
using System.Text.RegularExpressions;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks;

public sealed class RecoveryKeyTests
{
    private const string Printed = "ejdkgduv-tledeifg-dcjnlnih-fcghcnnv-jucikvnk-gdnhdkfd-bceinvcl-tlgfgnid";

    public static TheoryData<LuksVersion> Versions => [LuksVersion.Luks1, LuksVersion.Luks2];

    [Fact]
    public void A_key_is_eight_groups_of_eight_letters_and_never_the_same()
    {
        using SecretBuffer first = RecoveryKey.Create();
        using SecretBuffer second = RecoveryKey.Create();

        Assert.Matches(new Regex("^[cbdefghijklnrtuv]{8}(-[cbdefghijklnrtuv]{8}){7}$"), Encoding.ASCII.GetString(first.Span));
        Assert.Equal(RecoveryKey.PrintedLength, first.Length);
        Assert.False(first.FixedTimeEquals(second.Span));
    }

    [Theory]
    [InlineData("EJDKGDUV-TLEDEIFG-DCJNLNIH-FCGHCNNV-JUCIKVNK-GDNHDKFD-BCEINVCL-TLGFGNID")]
    [InlineData("ejdkgduvtledeifgdcjnlnihfcghcnnvjucikvnkgdnhdkfdbceinvcltlgfgnid")]
    [InlineData("Ejdkgduv tledeifg dcjnlnih fcghcnnv jucikvnk gdnhdkfd bceinvcl tlgfgnid ")]
    public void Other_spellings_lead_to_what_was_printed(string typed)
    {
        using SecretBuffer? printed = RecoveryKey.AsPrinted(Encoding.ASCII.GetBytes(typed));

        Assert.Equal(Printed, Encoding.ASCII.GetString(printed!.Span));
    }

    [Theory]
    [InlineData(Printed)]
    [InlineData("")]
    [InlineData("correct horse")]
    [InlineData("ejdkgduv-tledeifg-dcjnlnih-fcghcnnv-jucikvnk-gdnhdkfd-bceinvcl-tlgfgni")]
    [InlineData("ejdkgduv-tledeifg-dcjnlnih-fcghcnnv-jucikvnk-gdnhdkfd-bceinvcl-tlgfgnidd")]
    [InlineData("ajdkgduv-tledeifg-dcjnlnih-fcghcnnv-jucikvnk-gdnhdkfd-bceinvcl-tlgfgnid")]
    [InlineData("ejdkgduv-tledeifg-dcjnlnih-fcghcnnv-jucikvnk-gdnhdkfd-bceinvcl-tlgfgni\u0007")]
    public void What_is_none_or_needs_no_change_stays_as_it_is(string typed) => Assert.Null(RecoveryKey.AsPrinted(Encoding.ASCII.GetBytes(typed)));

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_header_opens_by_every_spelling(LuksVersion version)
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(version == LuksVersion.Luks1 ? Sample.Options : Sample.Luks2Options);
        await header.AddAsync(key, Printed);

        foreach (string typed in new[] { Printed, Printed.ToUpperInvariant(), Printed.Replace("-", "", StringComparison.Ordinal) })
        {
            Assert.Equal(1, (await header.UnlockAsync(typed)).Slot);
        }

        WrongKeyException error = await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Printed.ToUpperInvariant().Replace('E', 'C')));
        Assert.Equal(ErrorIds.WrongPassphrase, error.ErrorId);
    }

    [Fact]
    public async Task A_passphrase_that_only_looks_like_one_opens_as_it_is()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, Printed.ToUpperInvariant());

        Assert.Equal(1, (await header.UnlockAsync(Printed.ToUpperInvariant())).Slot);
        await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Printed));
    }
}
