using System.Buffers.Binary;
using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A small qcow2 disk with data, zeros and holes, and one conversion of it.</summary>
internal sealed class Qcow2Sample
{
    public const string NewPassphrase = "new";

    public const int ClusterSize = 4096;

    // Of a disk that is in use.
    private const int LiveZoneLength = 8 << 10;

    private const int Size = 256 << 10;

    // The least key material.
    private static readonly LuksFormatOptions s_small = Sample.Options with { Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16, Placement = LuksPlacement.Embedded };

    private readonly ReencryptionMode _mode;
    private ReencryptionOptions _options;
    private byte[]? _snapshot;

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
    public static async Task<Qcow2Sample> CreateAsync(ReencryptionMode mode, ReencryptionResilience resilience = default, int clusterSize = ClusterSize)
    {
        var file = new MemoryDevice(0);
        bool encrypted = mode != ReencryptionMode.Encrypt;
        await Qcow2Builder.CreateAsync(
            file, new Qcow2CreateOptions { Size = Size, ClusterSize = clusterSize, EncryptionHeaderLength = encrypted ? s_small.HeaderLength : 0 }, Sample.Token);
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

    /// <summary>Takes an internal snapshot, as QEMU does.</summary>
    public async Task TakeSnapshotAsync()
    {
        var header = Qcow2Header.Parse(File.ToArray());
        byte[] l1 = File.ToArray()[(int)header.L1Offset..][..((int)header.L1Entries * sizeof(ulong))];
        for (int at = 0; at < l1.Length; at += sizeof(ulong))
        {
            l1[at] &= 0x7F;
        }

        byte[] entry = new byte[64];
        BinaryPrimitives.WriteUInt32BigEndian(entry.AsSpan(8), header.L1Entries);
        entry[13] = 1;
        entry[15] = 4;
        entry[39] = 16;
        BinaryPrimitives.WriteUInt64BigEndian(entry.AsSpan(48), Size);
        "1then"u8.CopyTo(entry.AsSpan(56));
        byte[] pointer = new byte[12];
        pointer[3] = 1;
        await using (Qcow2Image image = await OpenAsync(File, writable: true))
        {
            long table = await image.ReserveAsync(l1.Length, Sample.Token);
            BinaryPrimitives.WriteInt64BigEndian(entry, table);
            await File.WriteAsync(table, l1, Sample.Token);
            long list = await image.ReserveAsync(entry.Length, Sample.Token);
            BinaryPrimitives.WriteInt64BigEndian(pointer.AsSpan(4), list);
            await File.WriteAsync(list, entry, Sample.Token);
        }

        await File.WriteAsync(60, pointer, Sample.Token);
        await using (Qcow2Image image = await OpenAsync(File, writable: true))
        {
            await image.ReclaimAsync(Sample.Token);
        }

        _snapshot = [.. Plain];
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

    /// <summary>Converts, or goes on with it, in small zones and in the background.</summary>
    public async Task<LiveConversion> StartLiveAsync(Func<IBlockDevice, IBlockDevice>? wrap = null)
    {
        ReencryptedImage image = await ReencryptedImage.OpenAsync(
            _options with { ZoneLength = LiveZoneLength }, wrap?.Invoke(File) ?? File, new MemoryShelf(), detached: null, Sample.Token);
        LiveConversion? live = await LiveConversion.StartAsync(image, ConvertAsync, Sample.Token);
        Assert.NotNull(live);
        return live;
    }

    private async Task ConvertAsync(ReencryptedImage image, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        await (_mode switch
        {
            ReencryptionMode.Encrypt => DiskReencryption.ProtectAsync(image, old, progress, cancellationToken),
            ReencryptionMode.Decrypt => DiskReencryption.UnprotectAsync(image, old, progress, cancellationToken),
            _ => DiskReencryption.UpdateKeyAsync(image, old, [next], progress, cancellationToken),
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
        await RequireSnapshotAsync();
        Qcow2CheckResult check = await Qcow2Check.RunAsync(File, Sample.Token);
        Assert.Equal((0, 0), (check.Corruptions, check.LeakedClusters));
        bool plainLeft = File.ToArray().AsSpan().IndexOf(Plain.AsSpan(4096, 512)) >= 0;
        Assert.Equal(_mode == ReencryptionMode.Decrypt, plainLeft);
    }

    /// <summary>The snapshot, where there is one, is as it was taken.</summary>
    public async Task RequireSnapshotAsync()
    {
        if (_snapshot is null)
        {
            return;
        }

        await using Qcow2Image image = await OpenUnlockedAsync();
        await using IBlockDevice snapshot = await image.OpenSnapshotAsync("then", Sample.Token);
        byte[] seen = new byte[Size];
        await snapshot.ReadAsync(0, seen, Sample.Token);
        Assert.Equal(_snapshot, seen);
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

    /// <summary>The disk as its guest finds it.</summary>
    public async Task<byte[]> ReadAsync()
    {
        await using Qcow2Image image = await OpenUnlockedAsync();
        byte[] seen = new byte[Size];
        await image.ReadAsync(0, seen, Sample.Token);
        return seen;
    }

    private async Task<Qcow2Image> OpenUnlockedAsync()
    {
        Qcow2Image image = await OpenAsync(File, writable: false);
        if (image.OpenEncryptionHeader() is { } area)
        {
            LuksHeader header = await Sample.OpenAsync(area, LuksPlacement.Embedded);
            using VolumeKey key = (await header.UnlockAsync(await IsDoneAsync() && _mode == ReencryptionMode.Reencrypt ? NewPassphrase : Sample.Passphrase)).Key;
            image.AttachCipher(key.CreateCipher());
        }

        return image;
    }

    private Qcow2Conversion Over(IBlockDevice file) => new(_options, file);

    private static Task<Qcow2Image> OpenAsync(IBlockDevice file, bool writable) =>
        Qcow2Image.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = writable }, Sample.Token).AsTask();
}
