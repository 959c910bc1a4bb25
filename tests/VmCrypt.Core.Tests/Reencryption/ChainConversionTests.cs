using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>What the conversion of a chain refuses, and what it leaves alone.</summary>
public sealed class ChainConversionTests : IDisposable
{
    private const string Base = "base";
    private const string Middle = "middle.qcow2";
    private const string Top = "top.qcow2";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_layer_with_another_user_is_refused_unless_forced()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Qcow2);
        File.Copy(sample[Top], sample["other.qcow2"]);

        await RefusedAsync<RefusedException>(sample, ErrorIds.LayerHasOtherUsers, "other.qcow2");

        await sample.RunAsync(sample.Options with { Force = true });
        Assert.Equal(sample.Plain, await sample.TryReadAsync(0));
    }

    [Fact]
    public async Task A_raw_base_with_another_user_who_would_read_noise_is_refused_even_if_forced()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        File.Copy(sample[Middle], sample["other.qcow2"]);

        await RefusedAsync<RefusedException>(sample, ErrorIds.LayerHasOtherUsers, "other.qcow2", sample.Options with { Force = true });
    }

    [Theory]
    [InlineData("linked")]
    [InlineData("linked folder/base")]
    [InlineData("file:base")]
    public async Task A_user_that_has_another_name_for_the_layer_is_found(string name)
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        File.CreateSymbolicLink(sample["linked"], Base);
        Directory.CreateSymbolicLink(sample["linked folder"], sample[string.Empty]);
        var overlay = new Qcow2CreateOptions { Size = sample.Plain.Length, BackingPath = name, BackingFormat = "raw" };
        await DiskFile.CreateAsync(
            new DiskTarget { Location = sample.At("other.qcow2") }, new NewDisk { Size = sample.Plain.Length, Format = ImageFormat.Qcow2, Qcow2 = overlay }, null,
            (_, _) => ValueTask.CompletedTask, Sample.Token);

        await RefusedAsync<RefusedException>(sample, ErrorIds.LayerHasOtherUsers, "other.qcow2");
    }

    [Fact]
    public async Task A_link_to_the_active_image_is_no_other_user()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        File.CreateSymbolicLink(sample["current.qcow2"], Top);

        await sample.RunAsync(sample.Options with { Layers = sample.Layers with { Location = sample.At("current.qcow2") } });

        Assert.Equal(sample.Plain, await sample.TryReadAsync(0));
    }

    [Fact]
    public async Task One_layer_that_cannot_be_converted_keeps_all_of_them_as_they_are()
    {
        ChainSample old = await PlainAsync(ImageFormat.Raw);
        using (FileStream middle = File.Open(old[Middle], FileMode.Open))
        {
            middle.Position = 7;
            middle.WriteByte(2);
        }

        await RefusedAsync<UnsupportedFeatureException>(old, ErrorIds.InPlaceUnsupported, Middle);
    }

    [Fact]
    public async Task A_base_that_ends_within_a_sector_is_refused_before_anything_is_touched()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        await using (FileStream file = File.Open(sample[Base], FileMode.Append))
        {
            file.WriteByte(1);
        }

        await RefusedAsync<InvalidInputException>(sample, ErrorIds.InvalidParameter, Base);
    }

    [Fact]
    public async Task A_raw_base_whose_format_nobody_names_is_refused()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        byte[] middle = await File.ReadAllBytesAsync(sample[Middle], Sample.Token);
        // Of an extension whose type is unknown nobody learns a format.
        middle[Qcow2Header.SizeFull] ^= 0x40;
        await File.WriteAllBytesAsync(sample[Middle], middle, Sample.Token);

        await RefusedAsync<UnsupportedFeatureException>(sample, ErrorIds.InPlaceUnsupported, "qemu-img rebase");
    }

    [Fact]
    public async Task A_raw_base_in_which_the_guest_keeps_LUKS_is_neither_encrypted_nor_decrypted()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        await PutLuksIntoGuestAsync(sample);

        await RefusedAsync<RefusedException>(sample, ErrorIds.AlreadyEncrypted, Base);
        using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
        var plain = await Assert.ThrowsAsync<InvalidInputException>(() => ChainReencryption.UnprotectAsync(sample.Options, keys, null, Sample.Token));
        Assert.Equal(ErrorIds.NotEncrypted, plain.ErrorId);
    }

    [Fact]
    public async Task A_wrong_passphrase_of_one_layer_is_found_before_the_others_are_touched()
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, ReencryptionMode.Reencrypt, ImageFormat.Raw);
        await RekeyAloneAsync(sample, Middle);

        await RefusedAsync<WrongKeyException>(sample, ErrorIds.WrongPassphrase, Middle);
    }

    [Fact]
    public async Task Layers_may_have_passphrases_of_their_own()
    {
        ChainSample sample = await ChainSample.CreateAsync(_scratch, ReencryptionMode.Decrypt, ImageFormat.Raw);
        await RekeyAloneAsync(sample, Middle);
        using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
        keys.Add(Middle, Sample.Secret(ChainSample.NewPassphrase));

        await ChainReencryption.UnprotectAsync(sample.Options, keys, null, Sample.Token);

        await sample.VerifyAsync();
    }

    [Fact]
    public async Task Layers_that_are_encrypted_already_keep_their_key()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskReencryption.ProtectAsync(sample.Layers with { Location = sample.At(Middle), Force = true }, passphrase, null, Sample.Token);
        string before = await KeyMarkAsync(sample, Middle);

        await sample.RunAsync();

        await sample.VerifyAsync();
        Assert.Equal(before, await KeyMarkAsync(sample, Middle));
        await RefusedAsync<RefusedException>(sample, ErrorIds.AlreadyEncrypted, Top);
    }

    [Fact]
    public async Task A_second_process_is_refused_and_the_chain_untouched()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        await using FileDevice inUse = await FileDevice.OpenAsync(sample[Base], LocalDiskOptions.ReadWrite, Sample.Token);

        await RefusedAsync<DeviceBusyException>(sample, ErrorIds.ImageInUse, Base);
    }

    [Fact]
    public async Task Half_way_it_is_shown_how_many_layers_are_done_and_other_commands_are_refused()
    {
        ChainSample sample = await HalfWayAsync(ReencryptionMode.Encrypt);

        ImageDescription shown = await ImageInspector.DescribeAsync(sample.Active, DiskOpenOptions.Default, Sample.Token);

        Assert.Equal(new ChainFacts(ReencryptionMode.Encrypt, 3, 1), shown.Chain);
        Assert.NotNull(shown.Backing?.Conversion);
        Assert.Equal(ErrorIds.Qcow2ConversionUnfinished, shown.Unusable?.ErrorId);
        using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
        var refused = await Assert.ThrowsAsync<RefusedException>(() => ChainReencryption.UnprotectAsync(sample.Options, keys, null, Sample.Token));
        Assert.Equal(ErrorIds.OtherReencryptionUnfinished, refused.ErrorId);
    }

    [Fact]
    public async Task Half_way_the_active_image_is_shown_where_those_behind_it_are_not_to_be_had()
    {
        ChainSample sample = await HalfWayAsync(ReencryptionMode.Encrypt);
        var alone = new DiskOpenOptions { References = new ReferencePolicy(ReferenceMode.Never) };

        ImageDescription shown = await ImageInspector.DescribeAsync(sample.Active, alone, Sample.Token);

        Assert.Equal(ErrorIds.ReferenceNotFollowed, shown.Unusable?.ErrorId);
        Assert.Equal(ReencryptionMode.Encrypt, shown.Chain?.Mode);
    }

    [Fact]
    public async Task Half_way_the_record_must_be_whole_and_the_chain_the_same()
    {
        ChainSample sample = await HalfWayAsync(ReencryptionMode.Encrypt);
        string record = ChainRecord.PathOf(sample.Active)!;
        string text = await File.ReadAllTextAsync(record, Sample.Token);

        await File.WriteAllTextAsync(record, text.Replace("\"base\"", "\"other\"", StringComparison.Ordinal), Sample.Token);
        await RefusedAsync<RefusedException>(sample, ErrorIds.ChainChanged, "other");
        foreach (string torn in new[] { text[..^9], "{}", "null", text.Replace("\"mode\"", "\"mood\"", StringComparison.Ordinal) })
        {
            await File.WriteAllTextAsync(record, torn, Sample.Token);
            await RefusedAsync<InvalidImageException>(sample, ErrorIds.ChainRecordInvalid, record);
        }

        await File.WriteAllTextAsync(record, text, Sample.Token);
        await sample.GoOnAsync(resume: true);
        await sample.VerifyAsync();
    }

    [Theory]
    [InlineData(ReencryptionMode.Encrypt)]
    [InlineData(ReencryptionMode.Reencrypt)]
    public async Task Between_two_layers_a_passphrase_that_the_first_does_not_have_is_refused(ReencryptionMode mode)
    {
        ChainSample before = await ChainSample.CreateAsync(_scratch, mode, ImageFormat.Qcow2);
        var boundaries = new List<int>();
        await before.Clone(_scratch, "whole").StopAsync(new CrashPlan(int.MaxValue), boundaries);
        ChainSample sample = before.Clone(_scratch, "between");
        Assert.True(await sample.StopAsync(new CrashPlan(boundaries[1])));
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer misspelt = Sample.Secret("misspelt");
        SecretBuffer[] given = mode == ReencryptionMode.Encrypt ? [misspelt] : [old, misspelt];

        var wrong = await Assert.ThrowsAsync<WrongKeyException>(() => ChainReencryption.ResumeAsync(sample.Options, given, null, Sample.Token));

        Assert.Equal(ErrorIds.WrongPassphrase, wrong.ErrorId);
        Assert.Contains(Base, wrong.Message, StringComparison.Ordinal);
        await sample.GoOnAsync(resume: true);
        await sample.VerifyAsync();
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task What_is_freed_is_wiped_whether_the_beginning_or_the_resumption_asks_for_it(bool begun, bool resumed)
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        ChainRecord record = ChainTerms.RecordOf(sample.Layers with { WipeFreed = begun }, ReencryptionMode.Encrypt, []);

        Assert.True(ChainTerms.Of(record, sample.Layers with { WipeFreed = resumed }).WipeFreed);
    }

    [Fact]
    public async Task A_layer_that_is_half_converted_by_itself_is_to_be_finished_first()
    {
        ChainSample sample = await HalfWayAsync(ReencryptionMode.Encrypt);
        ChainRecord.Delete(sample.Active);

        await RefusedAsync<RefusedException>(sample, ErrorIds.OtherReencryptionUnfinished, Middle);
        var nothing = await Assert.ThrowsAsync<RefusedException>(() => sample.GoOnAsync(resume: true));
        Assert.Equal(ErrorIds.Luks2NotReencrypting, nothing.ErrorId);

        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskReencryption.ResumeAsync(sample.Layers with { Location = sample.At(Middle) }, [passphrase], null, Sample.Token);
        await sample.RunAsync();
        await sample.VerifyAsync();
    }

    [Fact]
    public async Task A_decrypted_base_is_not_decrypted_once_more_where_its_guest_keeps_LUKS()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        byte[] inner = await PutLuksIntoGuestAsync(sample);
        var luks = sample.Layers.Encryption with { Version = LuksVersion.Luks1 };
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskFile.CreateAsync(
            new DiskTarget { Location = sample.At(Base), Replace = true }, new NewDisk { Size = inner.Length, Format = ImageFormat.Raw, Encryption = luks },
            passphrase, (built, token) => built.Device.WriteAsync(0, inner, token), Sample.Token);
        await RenameBaseAsync(sample, "luks");
        using var keys = new DiskKeys(passphrase.Copy());
        var plan = new CrashPlan(int.MaxValue);
        await ChainReencryption.UnprotectAsync(sample.Options with { Wrap = device => new CrashDevice(device, plan) }, keys, null, Sample.Token);
        Assert.Equal(inner, await File.ReadAllBytesAsync(sample[Base], Sample.Token));

        // As it is when the base is done, but not called raw yet.
        await RenameBaseAsync(sample, "luks");
        List<ChainImage> chain = await BackingChain.DescribeAsync(sample.Active, DiskOpenOptions.Default, converting: true, Sample.Token);
        ChainRecordLayer[] layers = [.. ChainRecord.LayersOf(chain, layer => layer.Image.IsEncrypted).Select(layer => layer.Converts ? layer with { KeyMark = "before" } : layer)];
        Assert.Single(layers, layer => layer.Converts);
        await ChainTerms.RecordOf(sample.Layers, ReencryptionMode.Decrypt, layers).CreateAsync(sample.Active, Sample.Token);
        await ChainReencryption.ResumeAsync(new ChainOptions { Layers = sample.Layers }, [passphrase], null, Sample.Token);

        Assert.Equal(inner, await File.ReadAllBytesAsync(sample[Base], Sample.Token));
        ImageDescription middle = await ImageInspector.DescribeAsync(sample.At(Middle), new DiskOpenOptions { HeadersOnly = true }, Sample.Token);
        Assert.Equal("raw", middle.Qcow2!.Backing!.Format);
    }

    [Theory]
    [InlineData("detached header")]
    [InlineData("reduced")]
    [InlineData("one volume key for all")]
    public async Task What_no_chain_can_have_is_refused(string what)
    {
        ChainSample sample = await PlainAsync(ImageFormat.Raw);
        using var key = new SecretBuffer(16);
        ReencryptionOptions layers = what switch
        {
            "detached header" => sample.Layers with { HeaderPath = sample["luks"] },
            "reduced" => sample.Layers with { ReduceSize = true },
            _ => sample.Layers with { Encryption = sample.Layers.Encryption with { VolumeKey = key } },
        };

        var refused = await Assert.ThrowsAsync<InvalidInputException>(() => sample.RunAsync(new ChainOptions { Layers = layers }));

        Assert.Equal(ErrorIds.InvalidParameter, refused.ErrorId);
    }

    [Fact]
    public async Task A_chain_that_leads_back_to_itself_ends()
    {
        ChainSample sample = await PlainAsync(ImageFormat.Qcow2);
        File.Copy(sample[Top], sample[Base], overwrite: true);

        await RefusedAsync<InvalidImageException>(sample, ErrorIds.BackingChainInvalid, Middle);
    }

    private Task<ChainSample> PlainAsync(ImageFormat baseFormat) => ChainSample.CreateAsync(_scratch, ReencryptionMode.Encrypt, baseFormat);

    /// <summary>The base is done, the layer above it is under way.</summary>
    private async Task<ChainSample> HalfWayAsync(ReencryptionMode mode)
    {
        ChainSample before = await ChainSample.CreateAsync(_scratch, mode, ImageFormat.Qcow2);
        var boundaries = new List<int>();
        await before.Clone(_scratch, "whole").StopAsync(new CrashPlan(int.MaxValue), boundaries);
        for (int effects = boundaries[1] + 10; ; effects += 4)
        {
            ChainSample sample = before.Clone(_scratch, $"{effects}");
            Assert.True(await sample.StopAsync(new CrashPlan(effects)));
            await using FileDevice middle = await FileDevice.OpenAsync(sample[Middle], LocalDiskOptions.ReadOnly, Sample.Token);
            if (await ConversionPointer.FindAsync(middle, Sample.Token) is not null)
            {
                return sample;
            }
        }
    }

    private static async Task RefusedAsync<TError>(ChainSample sample, string errorId, string because, ChainOptions? options = null)
        where TError : VmCryptException
    {
        string[] before = Hashes();
        var error = await Assert.ThrowsAsync<TError>(() => sample.RunAsync(options));
        Assert.Equal(errorId, error.ErrorId);
        Assert.Contains(because, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Hashes());

        string[] Hashes() =>
            [.. Directory.EnumerateFiles(sample[string.Empty]).Order().Select(file => $"{Path.GetFileName(file)} {Convert.ToHexString(SHA256.HashData(ReadShared(file)))}")];
    }

    private static byte[] ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static async Task RekeyAloneAsync(ChainSample sample, string layer)
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(ChainSample.NewPassphrase);
        await DiskReencryption.UpdateKeyAsync(sample.Layers with { Location = sample.At(layer) }, old, [next], null, Sample.Token);
    }

    private static async Task<string> KeyMarkAsync(ChainSample sample, string layer) =>
        (await ImageInspector.DescribeAsync(sample.At(layer), new DiskOpenOptions { HeadersOnly = true }, Sample.Token)).Luks!.KeyMark;

    private static async Task<byte[]> PutLuksIntoGuestAsync(ChainSample sample)
    {
        (MemoryDevice device, _, VolumeKey key) = await Sample.FormatAsync(sample.Layers.Encryption);
        key.Dispose();
        byte[] guest = device.ToArray();
        await File.WriteAllBytesAsync(sample[Base], guest, Sample.Token);
        return guest;
    }

    private static async Task RenameBaseAsync(ChainSample sample, string word)
    {
        byte[] middle = await File.ReadAllBytesAsync(sample[Middle], Sample.Token);
        BackingFormatWord.Replace(middle.AsSpan(0, ConversionPointer.SectorSize), word)!.CopyTo(middle, 0);
        await File.WriteAllBytesAsync(sample[Middle], middle, Sample.Token);
    }
}
