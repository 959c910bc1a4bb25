using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A small qcow2 disk with data, zeros and holes, and one conversion of it.</summary>
internal sealed class Qcow2Sample
{
    public const string NewPassphrase = "new";

    private const int ClusterSize = 4096;
    private const int Size = 256 << 10;

    // The least key material.
    private static readonly LuksFormatOptions s_small = Sample.Options with { Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16, Placement = LuksPlacement.Embedded };

    private readonly ReencryptionMode _mode;
    private ReencryptionOptions _options;

    private Qcow2Sample(ReencryptionMode mode, ReencryptionResilience resilience, MemoryDevice file, byte[] plain)
    {
        (_mode, File, Plain) = (mode, file, plain);
        _options = new ReencryptionOptions
        {
            Location = DiskLocation.Parse("disk.qcow2"),
            Version = LuksVersion.Luks1,
            Encryption = s_small,
            Resilience = resilience,
            ZoneLength = 16 << 10,
        };
    }

    /// <summary>What the guest has on its disk.</summary>
    public byte[] Plain { get; }

    public MemoryDevice File { get; private set; }

    /// <summary>The disk as it is before the conversion.</summary>
    public static async Task<Qcow2Sample> CreateAsync(ReencryptionMode mode, ReencryptionResilience resilience = default)
    {
        var file = new MemoryDevice(0);
        bool encrypted = mode != ReencryptionMode.Encrypt;
        await Qcow2Builder.CreateAsync(
            file, new Qcow2CreateOptions { Size = Size, ClusterSize = ClusterSize, EncryptionHeaderLength = encrypted ? s_small.HeaderLength : 0 }, Sample.Token);
        byte[] plain = new byte[Size];
        RandomNumberGenerator.Fill(plain.AsSpan(0, 50_000));
        RandomNumberGenerator.Fill(plain.AsSpan(120_000, 60_000));
        await using Qcow2Image image = await OpenAsync(file, writable: true);
        if (encrypted)
        {
            using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
            (_, VolumeKey key) = await LuksHeader.FormatAsync(image.OpenEncryptionHeader()!, s_small, passphrase, Sample.Token);
            using (key)
            {
                image.AttachCipher(key.CreateCipher());
            }
        }

        await image.WriteAsync(122_880, plain.AsMemory(122_880, 57_344), Sample.Token);
        await image.WriteAsync(0, plain.AsMemory(0, 53_248), Sample.Token);
        await image.ZeroAsync(49_152, 8192, ZeroFlags.None, Sample.Token);
        plain.AsSpan(49_152, 8192).Clear();
        plain.AsSpan(53_248, 122_880 - 53_248).Clear();
        plain.AsSpan(122_880 + 57_344).Clear();
        return new Qcow2Sample(mode, resilience, file, plain);
    }

    public Qcow2Sample With(byte[] file)
    {
        var copy = (Qcow2Sample)MemberwiseClone();
        copy.File = new MemoryDevice(file);
        return copy;
    }

    public Qcow2Sample Clone() => With(File.ToArray());

    /// <summary>The same conversion, which overwrites what is free at the end.</summary>
    public Qcow2Sample WipingFreed()
    {
        Qcow2Sample copy = Clone();
        copy._options = _options with { WipeFreed = true };
        return copy;
    }

    public async Task RunAsync(Func<IBlockDevice, IBlockDevice>? wrap = null)
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        Qcow2Conversion conversion = Over(wrap?.Invoke(File) ?? File);
        await (_mode switch
        {
            ReencryptionMode.Encrypt => conversion.ProtectAsync(old, null, Sample.Token),
            ReencryptionMode.Decrypt => conversion.UnprotectAsync(old, null, Sample.Token),
            _ => conversion.UpdateKeyAsync(old, [next], null, Sample.Token),
        });
    }

    public async Task ResumeAsync()
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        await Over(File).GoOnAsync(expected: null, [old, next], null, Sample.Token);
    }

    public async Task<bool> IsUnfinishedAsync() => await ConversionPointer.FindAsync(File, Sample.Token) is not null;

    /// <summary>Runs until the plan stops the machine; true if it did.</summary>
    public async Task<bool> StopAsync(CrashPlan plan)
    {
        try
        {
            await RunAsync(device => new CrashDevice(device, plan));
            return false;
        }
        catch (CrashException)
        {
            return true;
        }
    }

    /// <summary>Stops while a zone is written.</summary>
    public async Task StopHotAsync()
    {
        Qcow2Sample before = Clone();
        for (int effects = 20; await before.Clone().StopAsync(new CrashPlan(effects)); effects++)
        {
            Qcow2Sample stopped = before.Clone();
            await stopped.StopAsync(new CrashPlan(effects));
            if (await stopped.IsUnfinishedAsync() && (await stopped.JournalAsync()).State is { HotLength: > 0, Done: > 0 })
            {
                File = stopped.File;
                return;
            }
        }

        Assert.Fail("The conversion never stopped in a zone.");
    }

    /// <summary>The journal of an unfinished conversion.</summary>
    public async Task<ConversionJournal> JournalAsync() =>
        await ConversionJournal.OpenAsync(File, (await ConversionPointer.FindAsync(File, Sample.Token))!.Value, Sample.Token);

    /// <summary>Nobody sees a mixture: the image is refused, or its guest finds all of its bytes.</summary>
    public async Task RequireSoundAsync()
    {
        if (await IsUnfinishedAsync())
        {
            var refused = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => OpenAsync(File, writable: false));
            Assert.Equal(ErrorIds.Qcow2ConversionUnfinished, refused.ErrorId);
            return;
        }

        Assert.Equal(Plain, await ReadAsync());
    }

    /// <summary>Goes on where it stopped, if there is anything left to do.</summary>
    public async Task GoOnAsync(bool resume)
    {
        if (await IsUnfinishedAsync())
        {
            await (resume ? ResumeAsync() : RunAsync());
        }
        else if (!await IsDoneAsync())
        {
            await RunAsync();
        }
    }

    /// <summary>The conversion is done, the tables are clean, nothing is left over.</summary>
    public async Task VerifyAsync()
    {
        Assert.True(await IsDoneAsync());
        Assert.Equal(Plain, await ReadAsync());
        Qcow2CheckResult check = await Qcow2Check.RunAsync(File, Sample.Token);
        Assert.Equal((0, 0), (check.Corruptions, check.LeakedClusters));
        bool plainLeft = File.ToArray().AsSpan().IndexOf(Plain.AsSpan(4096, 512)) >= 0;
        Assert.Equal(_mode == ReencryptionMode.Decrypt, plainLeft);
    }

    private async Task<bool> IsDoneAsync()
    {
        await using Qcow2Image image = await OpenAsync(File, writable: false);
        if (_mode != ReencryptionMode.Reencrypt || image.OpenEncryptionHeader() is not { } area)
        {
            return image.Facts.CryptMethod == (_mode == ReencryptionMode.Decrypt ? Qcow2CryptMethod.None : Qcow2CryptMethod.Luks);
        }

        try
        {
            (await (await Sample.OpenAsync(area, LuksPlacement.Embedded)).UnlockAsync(NewPassphrase)).Key.Dispose();
            return true;
        }
        catch (WrongKeyException)
        {
            return false;
        }
    }

    private async Task<byte[]> ReadAsync()
    {
        await using Qcow2Image image = await OpenAsync(File, writable: false);
        if (image.OpenEncryptionHeader() is { } area)
        {
            LuksHeader header = await Sample.OpenAsync(area, LuksPlacement.Embedded);
            using VolumeKey key = (await header.UnlockAsync(await IsDoneAsync() && _mode == ReencryptionMode.Reencrypt ? NewPassphrase : Sample.Passphrase)).Key;
            image.AttachCipher(key.CreateCipher());
        }

        byte[] seen = new byte[Size];
        await image.ReadAsync(0, seen, Sample.Token);
        return seen;
    }

    private Qcow2Conversion Over(IBlockDevice file) => new(_options, file);

    private static Task<Qcow2Image> OpenAsync(IBlockDevice file, bool writable) =>
        Qcow2Image.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = writable }, Sample.Token).AsTask();
}
