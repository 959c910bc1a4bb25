using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A folder with a chain of three small images, and one conversion of it.</summary>
internal sealed class ChainSample
{
    public const string NewPassphrase = "new";

    private const int Size = 192 << 10;
    private const int ClusterSize = 4096;

    // The least key material.
    private static readonly LuksFormatOptions s_small = Sample.Options with
    {
        Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16, PayloadAlignment = 4096,
    };

    private readonly string _folder;
    private readonly ReencryptionMode _mode;

    private ChainSample(string folder, ReencryptionMode mode, byte[] plain) => (_folder, _mode, Plain) = (folder, mode, plain);

    /// <summary>What the guest has on its disk.</summary>
    public byte[] Plain { get; }

    /// <summary>From the base up.</summary>
    public static string[] Names { get; } = ["base", "middle.qcow2", "top.qcow2"];

    public DiskLocation Active => At(Names[^1]);

    public ReencryptionOptions Layers => new() { Location = Active, Encryption = s_small, ZoneLength = 32 << 10 };

    // For a process that dies nothing has to reach the medium, and flushes of files take long.
    public ChainOptions Options => new() { Layers = Layers, Wrap = device => new UnflushedDevice(device) };

    /// <summary>The chain as it is before the conversion; the base is of the given format.</summary>
    public static async Task<ChainSample> CreateAsync(Scratch scratch, ReencryptionMode mode, ImageFormat baseFormat)
    {
        string folder = Directory.CreateDirectory(scratch["before"]).FullName;
        byte[] plain = new byte[Size];
        var sample = new ChainSample(folder, mode, plain);
        string baseWord = baseFormat == ImageFormat.Qcow2 ? "qcow2" : mode == ReencryptionMode.Encrypt ? "raw" : "luks";
        await sample.MakeAsync(Names[0], baseFormat, null, null, 0, 140 << 10);
        await sample.MakeAsync(Names[1], ImageFormat.Qcow2, Names[0], baseWord, 20 << 10, 32 << 10);
        await sample.MakeAsync(Names[2], ImageFormat.Qcow2, Names[1], "qcow2", 32 << 10, 16 << 10);
        return sample;
    }

    /// <summary>The same chain in a folder of its own.</summary>
    public ChainSample Clone(Scratch scratch, string name)
    {
        var copy = new ChainSample(Directory.CreateDirectory(scratch[name]).FullName, _mode, Plain);
        foreach (string file in Directory.EnumerateFiles(_folder))
        {
            File.Copy(file, copy[Path.GetFileName(file)]);
        }

        return copy;
    }

    public string this[string name] => Path.Combine(_folder, name);

    public DiskLocation At(string name) => DiskLocation.Parse(this[name]);

    public async Task RunAsync(ChainOptions? options = null, string? passphrase = null)
    {
        options ??= Options;
        using SecretBuffer old = Sample.Secret(passphrase ?? Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        using var keys = new DiskKeys(old.Copy());
        await (_mode switch
        {
            ReencryptionMode.Encrypt => ChainReencryption.ProtectAsync(options, old, null, Sample.Token),
            ReencryptionMode.Decrypt => ChainReencryption.UnprotectAsync(options, keys, null, Sample.Token),
            _ => ChainReencryption.UpdateKeyAsync(options, keys, [next], null, Sample.Token),
        });
    }

    /// <summary>Runs until the plan stops the machine; true if it did.</summary>
    /// <param name="plan">One for all layers.</param>
    /// <param name="boundaries">Takes what was spent when a layer was touched for the first time.</param>
    public async Task<bool> StopAsync(CrashPlan plan, List<int>? boundaries = null)
    {
        try
        {
            await RunAsync(Options with { Wrap = device => new CrashDevice(new FirstWrite(new UnflushedDevice(device), () => boundaries?.Add(plan.Spent)), plan) });
            return false;
        }
        catch (CrashException)
        {
            return true;
        }
    }

    public async Task GoOnAsync(bool resume)
    {
        if (!resume)
        {
            await RunAsync();
            return;
        }

        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        // What the layers are to become stands in the record.
        ChainOptions options = Options with { Layers = new ReencryptionOptions { Location = Active, ZoneLength = 32 << 10 } };
        await ChainReencryption.ResumeAsync(options, _mode == ReencryptionMode.Reencrypt ? [old, next] : [old], null, Sample.Token);
    }

    /// <summary>Nobody sees a mixture: the chain is refused while a layer is under way, or its guest finds all of its bytes.</summary>
    /// <returns>It opens.</returns>
    public async Task<bool> RequireSoundAsync()
    {
        byte[]? seen = null;
        for (int done = 0; done <= Names.Length && seen is null; done++)
        {
            seen = await TryReadAsync(done);
        }

        if (seen is null)
        {
            ImageDescription shown = await ImageInspector.DescribeAsync(Active, DiskOpenOptions.Default, Sample.Token);
            Assert.Equal(_mode, shown.Chain?.Mode);
            return false;
        }

        Assert.Equal(Plain, seen);
        return true;
    }

    /// <summary>All layers are converted, the tables are clean, nothing is left over.</summary>
    public async Task VerifyAsync()
    {
        Assert.Equal(Plain, await TryReadAsync(_mode == ReencryptionMode.Reencrypt ? Names.Length : 0));
        ImageDescription? layer = await ImageInspector.DescribeAsync(Active, DiskOpenOptions.Default, Sample.Token);
        Assert.Null(layer.Chain);
        for (; layer is not null; layer = layer.Backing)
        {
            Assert.Equal(_mode != ReencryptionMode.Decrypt, layer.IsEncrypted);
        }

        Assert.Equal(Names.Order(), Directory.EnumerateFiles(_folder).Select(Path.GetFileName).Order());
        foreach (string name in Names.Skip(1))
        {
            Qcow2CheckResult check = await Qcow2Check.RunAsync(new MemoryDevice(await File.ReadAllBytesAsync(this[name], Sample.Token)), Sample.Token);
            Assert.Equal((0, 0), (check.Corruptions, check.LeakedClusters));
        }
    }

    /// <summary>The disk as it is seen when so many layers from the base up open by the new passphrase; null where it does not open.</summary>
    public async Task<byte[]?> TryReadAsync(int withNewKey)
    {
        using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
        foreach (string name in Names.Take(withNewKey))
        {
            keys.Add(this[name], Sample.Secret(NewPassphrase));
        }

        try
        {
            await using DiskStack disk = await DiskStack.OpenAsync(Active, DiskOpenOptions.Default, Sample.Token);
            byte[] seen = new byte[Size];
            await (await disk.UnlockAsync(keys, Sample.Token)).ReadAsync(0, seen, Sample.Token);
            return seen;
        }
        catch (VmCryptException refused) when (refused is WrongKeyException
            || refused.ErrorId is ErrorIds.Qcow2ConversionUnfinished or ErrorIds.Luks2ReencryptionUnfinished or ErrorIds.NotLuks)
        {
            return null;
        }
    }

    private async Task MakeAsync(string name, ImageFormat format, string? backing, string? word, int offset, int length)
    {
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        var plan = new NewDisk
        {
            Size = Size,
            Format = format,
            Encryption = _mode == ReencryptionMode.Encrypt ? null : s_small,
            Qcow2 = format == ImageFormat.Qcow2 ? new Qcow2CreateOptions { Size = Size, ClusterSize = ClusterSize, BackingPath = backing, BackingFormat = word } : null,
        };
        RandomNumberGenerator.Fill(Plain.AsSpan(offset, length));
        await DiskFile.CreateAsync(
            new DiskTarget { Location = At(name) }, plan, passphrase,
            async (built, token) =>
            {
                // Of LUKS in front what was never written reads as noise.
                ReadOnlyMemory<byte> content = backing is null ? Plain : Plain.AsMemory(offset, length);
                await built.Device.WriteAsync(offset, content, token);
            },
            Sample.Token);
    }

    private sealed class UnflushedDevice(IBlockDevice inner) : FilterDevice(inner)
    {
        public override ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }

    private sealed class FirstWrite(IBlockDevice inner, Action written) : FilterDevice(inner)
    {
        private bool _written;

        public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            if (!_written)
            {
                _written = true;
                written();
            }

            return base.WriteAsync(offset, buffer, cancellationToken);
        }
    }
}
