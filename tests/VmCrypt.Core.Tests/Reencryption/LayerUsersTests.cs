using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Images that are converted alone, although others are built on them.</summary>
public sealed class LayerUsersTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(ReencryptionMode.Encrypt, ImageFormat.Raw, false)]
    [InlineData(ReencryptionMode.Encrypt, ImageFormat.Raw, true)]
    [InlineData(ReencryptionMode.Encrypt, ImageFormat.Qcow2, false)]
    [InlineData(ReencryptionMode.Decrypt, ImageFormat.Raw, false)]
    [InlineData(ReencryptionMode.Decrypt, ImageFormat.Raw, true)]
    [InlineData(ReencryptionMode.Decrypt, ImageFormat.Qcow2, false)]
    public async Task A_base_is_refused_with_its_overlays_named_and_stays_what_it_is(ReencryptionMode mode, ImageFormat format, bool live)
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, mode, format);
        byte[] before = await File.ReadAllBytesAsync(sample["base"], Sample.Token);

        var refused = await Assert.ThrowsAsync<RefusedException>(() => ConvertAsync(OptionsOf(sample), mode, live));

        Assert.Equal(ErrorIds.LayerHasOtherUsers, refused.ErrorId);
        Assert.Contains("middle.qcow2", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(sample["base"], Sample.Token));
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt, ImageFormat.Qcow2)]
    [InlineData(ReencryptionMode.Decrypt, ImageFormat.Qcow2)]
    public async Task Forced_it_is_converted_and_who_has_its_key_finds_the_same_disk(ReencryptionMode mode, ImageFormat format)
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, mode, format);

        await ConvertAsync(OptionsOf(sample) with { Force = true }, mode, live: false);

        Assert.Equal(mode == ReencryptionMode.Encrypt, (await ImageInspector.DescribeAsync(sample.At("base"), DiskOpenOptions.Default, Sample.Token)).IsEncrypted);
        Assert.Equal(sample.Plain, await sample.TryReadAsync(0));
    }

    [Fact]
    public async Task Another_key_is_nothing_to_who_has_the_passphrase()
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, ReencryptionMode.Reencrypt, ImageFormat.Raw);

        await ConvertAsync(OptionsOf(sample), ReencryptionMode.Reencrypt, live: false);

        Assert.Equal(sample.Plain, await sample.TryReadAsync(0));
    }

    [Fact]
    public async Task The_overlay_itself_has_no_users()
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, ReencryptionMode.Encrypt, ImageFormat.Raw);

        await ConvertAsync(OptionsOf(sample) with { Location = sample.Active }, ReencryptionMode.Encrypt, live: false);

        Assert.Equal(sample.Plain, await sample.TryReadAsync(0));
    }

    private static ReencryptionOptions OptionsOf(ChainSample sample) => sample.Layers with { Location = sample.At("base") };

    private static async Task ConvertAsync(ReencryptionOptions options, ReencryptionMode mode, bool live)
    {
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await ((mode, live) switch
        {
            (ReencryptionMode.Encrypt, false) => DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token),
            (ReencryptionMode.Encrypt, true) => LiveConversion.ProtectAsync(options, passphrase, Sample.Token),
            (ReencryptionMode.Decrypt, false) => DiskReencryption.UnprotectAsync(options, passphrase, null, Sample.Token),
            (ReencryptionMode.Decrypt, true) => LiveConversion.UnprotectAsync(options, passphrase, Sample.Token),
            _ => DiskReencryption.UpdateKeyAsync(options, passphrase, [passphrase], null, Sample.Token),
        });
    }
}
