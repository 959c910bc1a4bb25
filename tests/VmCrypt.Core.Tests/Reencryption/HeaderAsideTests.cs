using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A decryption that was stopped when its header had been copied beside the image, which another tool changes then.</summary>
public sealed class HeaderAsideTests
{
    [Theory]
    [InlineData("unprotect")]
    [InlineData("unprotect luks1")]
    public async Task The_header_in_front_counts_where_the_disk_got_another_key_since(string name)
    {
        (DiskConversion disk, MemoryDevice stale) = await CopiedAsync(name);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await using (ReencryptedImage front = await disk.OpenAsync(device => device))
        {
            await DiskReencryption.UpdateKeyAsync(front, passphrase, [passphrase], null, Sample.Token);
        }

        DiskConversion left = disk.With(disk.Data, null, stale);
        await left.ResumeAsync();

        await left.VerifyAsync();
    }

    [Theory]
    [InlineData("unprotect")]
    [InlineData("unprotect luks1")]
    public async Task The_header_in_front_counts_where_only_it_has_the_passphrase(string name)
    {
        (DiskConversion disk, MemoryDevice stale) = await CopiedAsync(name);
        LuksHeader front = await Sample.OpenAsync(disk.Data);
        Unlocked unlocked = await front.UnlockAsync(Sample.Passphrase);
        using (SecretBuffer next = Sample.Secret("changed"))
        using (VolumeKey key = unlocked.Key)
        {
            await front.ChangeSlotAsync(key, unlocked.Slot, next, Sample.Options.Cost, prove: null, Sample.Token);
        }

        DiskConversion left = disk.With(disk.Data, null, stale);
        await left.ResumeAsync("changed");

        await left.VerifyAsync();
    }

    [Fact]
    public async Task Nothing_is_touched_where_no_passphrase_opens_the_header_that_counts()
    {
        (DiskConversion disk, MemoryDevice stale) = await CopiedAsync("unprotect");
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret("changed");
        await using (ReencryptedImage front = await disk.OpenAsync(device => device))
        {
            await DiskReencryption.UpdateKeyAsync(front, old, [next], null, Sample.Token);
        }

        byte[] before = disk.Data.ToArray();
        DiskConversion left = disk.With(disk.Data, null, stale);
        var refused = await Assert.ThrowsAsync<WrongKeyException>(left.ResumeAsync);

        Assert.Equal(ErrorIds.WrongPassphrase, refused.ErrorId);
        Assert.Equal(before, left.Data.ToArray());
        Assert.True(left.Shelf.Has(HeaderStage.Active));
    }

    [Fact]
    public async Task A_disk_that_somebody_re_encrypts_is_refused_and_untouched()
    {
        (DiskConversion disk, MemoryDevice stale) = await CopiedAsync("unprotect");
        DiskConversion update = await DiskConversion.CreateAsync("update");
        await update.StopHotAsync();
        byte[] before = update.Data.ToArray();

        DiskConversion left = disk.With(update.Data, null, stale);
        var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(left.ResumeAsync);

        Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, refused.ErrorId);
        Assert.Equal(before, left.Data.ToArray());
    }

    /// <summary>The disk as it was, and the header that was copied from it.</summary>
    private static async Task<(DiskConversion Disk, MemoryDevice Beside)> CopiedAsync(string name)
    {
        DiskConversion disk = await DiskConversion.CreateAsync(name);
        byte[] before = disk.Data.ToArray();
        for (int effects = 0; ; effects++)
        {
            DiskConversion stopped = disk.Clone();
            Assert.True(await stopped.StopAsync(effects));
            if (stopped.Shelf.Active is { } beside)
            {
                Assert.Equal(before, stopped.Data.ToArray());
                return (disk, beside);
            }
        }
    }
}
