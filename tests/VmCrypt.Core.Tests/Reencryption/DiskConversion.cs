using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>One disk and one conversion of it, small enough to be stopped hundreds of times.</summary>
internal sealed class DiskConversion
{
    public const string NewPassphrase = "new";

    private const int ZoneLength = 64 << 10;

    // The least key material, and room for a few slots.
    private static readonly LuksFormatOptions s_small = Sample.Luks2Options with
    {
        Cipher = CipherSpec.Parse("aes-cbc-plain64"),
        KeySize = 16,
        KeyslotsSize = 3 * 65536,
    };

    private readonly string _name;
    private readonly ReencryptionOptions _options;
    private readonly SampleContainer? _container;

    private DiskConversion(string name, int sector, int newSector, int length, byte[]? plain)
    {
        _name = name;
        _container = SampleContainer.Of(name);
        Plain = plain ?? RandomNumberGenerator.GetBytes(length);
        if (plain is null)
        {
            Plain.AsSpan(_container?.Block ?? length / 4, _container?.Block ?? length / 8).Clear();
        }

        _options = new ReencryptionOptions
        {
            Location = DiskLocation.Parse("disk.raw"),
            Format = _container?.Format,
            HeaderPath = name.Contains("detached", StringComparison.Ordinal) ? "disk.luks" : null,
            Version = VersionOf(name),
            Encryption = OptionsOf(name, name.StartsWith("protect", StringComparison.Ordinal) ? sector : newSector),
            Resilience = name.EndsWith("journal", StringComparison.Ordinal) ? ReencryptionResilience.Journal : ReencryptionResilience.Checksum,
            ReduceSize = name.Contains("reduced", StringComparison.Ordinal),
            WipeFreed = name.Contains("wiped", StringComparison.Ordinal),
            ZoneLength = _container?.ZoneLength ?? ZoneLength,
        };
    }

    public static string[] Names { get; } =
    [
        "protect", "protect reduced", "protect detached", "protect detached journal",
        "unprotect", "unprotect journal", "unprotect detached", "unprotect detached journal",
        "update", "update journal", "update detached",
        "protect luks1", "unprotect luks1", "update luks1",
    ];

    /// <summary>The length of a disk that has several small zones: one that moves has a first zone as long as the header.</summary>
    public static int LiveLength(string name) => name.StartsWith("update", StringComparison.Ordinal) || name.Contains("detached", StringComparison.Ordinal) ? 120 << 10 : 320 << 10;

    /// <summary>What the guest has on its disk.</summary>
    public byte[] Plain { get; }

    public MemoryDevice Data { get; private set; } = null!;

    public MemoryDevice? Header { get; private set; }

    public MemoryShelf Shelf { get; private set; } = new();

    /// <summary>Bytes of a zone while the disk is in use; larger in a container, where each costs more flushes.</summary>
    public int LiveZoneLength => IsContained ? 96 << 10 : 8 << 10;

    public bool IsContained => _container is not null;

    /// <summary>Bytes of a block of the container.</summary>
    public int Block => _container!.Block;

    private bool Protects => _name.StartsWith("protect", StringComparison.Ordinal);

    private bool Unprotects => _name.StartsWith("unprotect", StringComparison.Ordinal);

    private bool IsDetached => _options.HeaderPath is not null;

    /// <summary>Takes over what another one of the same kind has come to.</summary>
    public void Become(DiskConversion other) => (Data, Header, Shelf) = (other.Data, other.Header, other.Shelf);

    /// <summary>How far the header in front is; null where it tells of nothing under way.</summary>
    public async Task<PayloadPosition?> PositionAsync()
    {
        IBlockDevice view = new MemoryDevice(await ViewAsync());
        IBlockDevice area = (IBlockDevice?)Header ?? view;
        if (await FormatProbe.RecogniseAsync(area, Sample.Token) != ImageFormat.Luks || Shelf.Has(HeaderStage.Active) || !await IsUnfinishedAsync())
        {
            return null;
        }

        var header = await Luks2ReencryptHeader.OpenAsync(area, Sample.Token);
        return header.IsDone ? null : header.Position(header.Plan.PayloadLength(view.Length));
    }

    /// <summary>The same disk, as it was when this copy of it was made.</summary>
    public DiskConversion Clone() => With(Copy(Data)!, Copy(Header), null);

    /// <summary>The disk as it is before the conversion.</summary>
    public static async Task<DiskConversion> CreateAsync(string name, int sector = 512, int newSector = 512, int length = 240 << 10, byte[]? plain = null)
    {
        length = plain?.Length ?? SampleContainer.Of(name)?.Length ?? length;
        DiskConversion conversion = await CreateRawAsync(new DiskConversion(name, sector, newSector, length, plain), name, sector, length);
        if (conversion._container is { } container)
        {
            conversion.Data = new MemoryDevice(await container.WrapAsync(conversion.Data.ToArray()));
        }

        return conversion;
    }

    private static async Task<DiskConversion> CreateRawAsync(DiskConversion conversion, string name, int sector, int length)
    {
        LuksFormatOptions luks = OptionsOf(name, sector) with { Placement = conversion.IsDetached ? LuksPlacement.Detached : LuksPlacement.Attached };
        long front = conversion.IsDetached || conversion.Protects ? 0 : luks.HeaderLength;
        byte[] disk = new byte[front + length + (conversion._options.ReduceSize ? 2 * luks.HeaderLength : 0)];
        conversion.Data = new MemoryDevice(disk);
        conversion.Header = conversion.IsDetached ? new MemoryDevice(luks.HeaderLength) : null;
        conversion.Plain.CopyTo(disk, front);
        if (conversion is { Protects: true, IsDetached: false })
        {
            return conversion;
        }

        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        (_, VolumeKey key) = await LuksHeader.FormatAsync((IBlockDevice?)conversion.Header ?? conversion.Data, luks, passphrase, Sample.Token);
        using (key)
        using (SectorCipher cipher = key.CreateCipher())
        {
            if (conversion.Protects)
            {
                await Luks2ReencryptStart.EncryptAsync(conversion.Header!, length, key, moves: false, ConvertedContainer.FlagsOf(conversion._container?.Format), conversion._options.Resilience, Sample.Token);
            }
            else
            {
                cipher.Encrypt(0, conversion.Plain, disk.AsSpan((int)front));
            }
        }

        return conversion;
    }

    /// <summary>The same conversion of what a crash has left.</summary>
    public DiskConversion With(MemoryDevice data, MemoryDevice? header, MemoryDevice? beside)
    {
        var copy = (DiskConversion)MemberwiseClone();
        copy.Data = data;
        copy.Header = header;
        copy.Shelf = MemoryShelf.With(beside);
        return copy;
    }

    public bool NeedsShelf => !IsDetached && (Protects || Unprotects);

    /// <param name="wrap">Stands between the devices and who opens them.</param>
    public ValueTask<ReencryptedImage> OpenAsync(Func<IBlockDevice, IBlockDevice> wrap) => OpenAsync(wrap, _options.Format);

    /// <param name="wrap">Stands between the devices and who opens them.</param>
    /// <param name="named">What the caller says that the file is; null for nothing, as is enough for a conversion that has begun.</param>
    public ValueTask<ReencryptedImage> OpenAsync(Func<IBlockDevice, IBlockDevice> wrap, ImageFormat? named) => ReencryptedImage.OpenAsync(
        _options with { Format = named }, wrap(Data), Shelf, Header is null ? null : wrap(Header), Sample.Token);

    /// <summary>The bytes in which payload and header lie: those of the file, or what its guest sees.</summary>
    public async Task<byte[]> ViewAsync() => _container is null ? Data.ToArray() : await _container.ViewAsync(Data.ToArray());

    /// <summary>Converts, and says how many effects that has.</summary>
    public async Task<int> CountAsync()
    {
        var plan = new CrashPlan(int.MaxValue);
        await RunAsync(plan);
        return plan.Spent;
    }

    /// <summary>Does what comes before the first zone.</summary>
    public async Task BeginAsync()
    {
        byte[] disk = Data.ToArray();
        for (int effects = 10; ; effects++)
        {
            Data = new MemoryDevice([.. disk]);
            Shelf = new MemoryShelf();
            await Assert.ThrowsAsync<CrashException>(() => RunAsync(new CrashPlan(effects)));
            Shelf.Wrap = device => device;
            IBlockDevice? area = Shelf.Active ?? (Shelf.Has(HeaderStage.Prepared) ? null : new MemoryDevice(await ViewAsync()));
            if (area is not null && Shelf.Active is null == Protects
                && await FormatProbe.RecogniseAsync(area, Sample.Token) == ImageFormat.Luks
                && (await LuksHeader.DescribeAsync(area, new LuksOpenOptions { Placement = LuksPlacement.Detached }, Sample.Token)).Requirements.Length > 0)
            {
                return;
            }
        }
    }

    /// <summary>Converts, or goes on with it, until the plan stops the machine.</summary>
    public Task RunAsync(CrashPlan? plan = null) => RunAsync(device => plan is null ? device : new CrashDevice(device, plan), plan);

    public async Task RunAsync(Func<IBlockDevice, IBlockDevice> wrap, CrashPlan? plan = null)
    {
        Shelf.Plan = plan;
        Shelf.Wrap = wrap;
        await using ReencryptedImage image = await OpenAsync(wrap);
        await ConvertAsync(image, null, Sample.Token);
    }

    /// <summary>Converts, or goes on with it, in small zones and in the background.</summary>
    public async Task<LiveConversion> StartLiveAsync(Func<IBlockDevice, IBlockDevice> wrap)
    {
        Shelf.Plan = null;
        Shelf.Wrap = wrap;
        ReencryptedImage image = await ReencryptedImage.OpenAsync(
            _options with { ZoneLength = LiveZoneLength }, wrap(Data), Shelf, Header is null ? null : wrap(Header), Sample.Token);
        LiveConversion? live = await LiveConversion.StartAsync(image, ConvertAsync, Sample.Token);
        Assert.NotNull(live);
        return live;
    }

    private async Task ConvertAsync(ReencryptedImage image, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        using SecretBuffer old = Sample.Secret(Sample.Passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        await (Protects ? DiskReencryption.ProtectAsync(image, old, progress, cancellationToken)
            : Unprotects ? DiskReencryption.UnprotectAsync(image, old, progress, cancellationToken)
            : DiskReencryption.UpdateKeyAsync(image, old, [next], progress, cancellationToken));
    }

    public Task ResumeAsync() => ResumeAsync(Sample.Passphrase);

    public async Task ResumeAsync(string passphrase)
    {
        Shelf.Plan = null;
        Shelf.Wrap = device => device;
        await using ReencryptedImage image = await OpenAsync(device => device, named: null);
        using SecretBuffer old = Sample.Secret(passphrase);
        using SecretBuffer next = Sample.Secret(NewPassphrase);
        await DiskReencryption.ResumeAsync(image, [old, next], null, Sample.Token);
    }

    /// <summary>The disk as each of those who are let in sees it.</summary>
    public async Task<List<byte[]>> LookAsync()
    {
        var seen = new List<byte[]>();
        foreach (string passphrase in new[] { Sample.Passphrase, NewPassphrase })
        {
            try
            {
                if (await ReadAsync(passphrase) is { } disk)
                {
                    seen.Add(disk);
                }
            }
            catch (WrongKeyException)
            {
            }
        }

        return seen;
    }

    /// <summary>The disk as who has the passphrase sees it; null where nobody is let in.</summary>
    public async Task<byte[]?> ReadAsync(string passphrase)
    {
        try
        {
            byte[] view = await ViewAsync();
            IBlockDevice area = (IBlockDevice?)Header ?? new MemoryDevice(view);
            LuksHeader header = await Sample.OpenAsync(area, IsDetached ? LuksPlacement.Detached : LuksPlacement.Attached);
            using VolumeKey key = (await header.UnlockAsync(passphrase)).Key;
            using SectorCipher cipher = key.CreateCipher();
            byte[] payload = view[(int)header.Payload.Offset..];
            payload = payload[..(int)(header.Payload.Length ?? payload.Length)];
            cipher.Decrypt(0, payload, payload);
            return payload;
        }
        catch (Exception refused) when (refused is UnsupportedFeatureException or InvalidImageException)
        {
            return null;
        }
    }

    public async Task<bool> IsUnfinishedAsync()
    {
        Shelf.Plan = null;
        Shelf.Wrap = device => device;
        await using ReencryptedImage image = await OpenAsync(device => device);
        return await image.IsUnfinishedAsync(Sample.Token);
    }

    /// <summary>Everything has happened, even if the machine stopped before it could say so.</summary>
    public async Task<bool> IsDoneAsync()
    {
        if (Shelf.Has(HeaderStage.Prepared) || await IsUnfinishedAsync())
        {
            return false;
        }

        try
        {
            return Unprotects ? (await ViewAsync()).AsSpan().SequenceEqual(Plain) : await ReadAsync(Protects ? Sample.Passphrase : NewPassphrase) is not null;
        }
        catch (WrongKeyException)
        {
            return false;
        }
    }

    /// <summary>What the guest finds when the conversion is done.</summary>
    public async Task<byte[]> FindAsync()
    {
        byte[]? found = Unprotects ? await ViewAsync() : await ReadAsync(Protects ? Sample.Passphrase : NewPassphrase);
        Assert.NotNull(found);
        return found;
    }

    /// <summary>The conversion is done: the guest's bytes are where they belong, nothing is left over.</summary>
    public async Task VerifyAsync()
    {
        byte[] found = await FindAsync();

        Assert.Equal(Unprotects && Header is null ? null : VersionOf(_name), LuksHeader.Probe((Header?.ToArray() ?? await ViewAsync()).AsSpan(0, 8)));
        Assert.Equal(Plain.Length, _options.ReduceSize ? Plain.Length : found.Length);
        Assert.Equal(SHA256.HashData(Plain), SHA256.HashData(found.AsSpan(0, Plain.Length)));
        Assert.False(Shelf.Has(HeaderStage.Active) || Shelf.Has(HeaderStage.Prepared));
        Assert.True(Unprotects || !Contains(Data.ToArray(), Plain.AsSpan(0, 512)), "a part of the plain disk is left");
        await (_container?.RequireSoundAsync(Data.ToArray()) ?? Task.CompletedTask);
        Assert.True(Header is null || !Contains(Header.ToArray(), Plain.AsSpan(0, 512)), "a part of the plain disk is left in the header");
    }

    private static LuksFormatOptions OptionsOf(string name, int sector) => VersionOf(name) == LuksVersion.Luks2
        ? s_small with { SectorSize = sector }
        : s_small with { Version = LuksVersion.Luks1, SectorSize = null, KeyslotsSize = null };

    private static LuksVersion VersionOf(string name) => name.EndsWith("luks1", StringComparison.Ordinal) ? LuksVersion.Luks1 : LuksVersion.Luks2;

    private static MemoryDevice? Copy(MemoryDevice? device) => device is null ? null : new MemoryDevice(device.ToArray());

    private static bool Contains(byte[] bytes, ReadOnlySpan<byte> part) => bytes.AsSpan().IndexOf(part) >= 0;
}
