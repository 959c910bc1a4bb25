using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>An image that is, or is to be, converted in its place: its bytes, and wherever its header lies.</summary>
internal sealed class ReencryptedImage : IAsyncDisposable
{
    // Where the payload lies does not matter to who only looks at the header.
    private static readonly LuksOpenOptions s_detached = LuksOpenOptions.Default with { Placement = LuksPlacement.Detached };

    private readonly ReencryptionOptions _options;
    private IBlockDevice? _detached;

    /// <summary>Takes the devices, the disk's own.</summary>
    public ReencryptedImage(ReencryptionOptions options, IBlockDevice data, IHeaderShelf shelf, IBlockDevice? detached = null)
    {
        _options = options;
        _detached = detached;
        Data = data;
        Shelf = shelf;
    }

    public ReencryptionOptions Options => _options;

    /// <summary>Holds the payload: the file, or what its guest sees of it.</summary>
    public IBlockDevice Data { get; }

    /// <summary>What the file is, where it is not the disk itself.</summary>
    public ContainedDisk? Container { get; private init; }

    /// <summary>What the header of a conversion says of the container.</summary>
    public string[] Flags => Container?.Flags ?? [];

    public IHeaderShelf Shelf { get; }

    /// <summary>Gets the plain disk for who uses it meanwhile; null where nobody does.</summary>
    public LiveDisk? Live { get; set; }

    /// <summary>The detached header that was named exists.</summary>
    public bool HasDetachedHeader => _detached is not null;

    /// <summary>What stores the header: the image itself, or the detached one.</summary>
    public IBlockDevice HeaderDevice => _detached ?? Data;

    public static async ValueTask<ReencryptedImage> OpenAsync(ReencryptionOptions options, CancellationToken cancellationToken)
    {
        if (options.Location.IsNbd)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported, "A disk behind NBD is not converted in its place: whether its server keeps what is flushed cannot be known.");
        }

        IBlockDevice file = await StorageOpener.OpenAsync(options.Location, writable: true, forceShare: false, cancellationToken);
        IBlockDevice? detached = null;
        try
        {
            detached = options.HeaderPath is { } path && File.Exists(path)
                ? await StorageOpener.OpenAsync(DiskLocation.Parse(path), writable: true, forceShare: false, cancellationToken)
                : null;
            return await OpenAsync(options, file, new HeaderFiles(options.Location), detached, cancellationToken);
        }
        catch
        {
            await file.DisposeAsync();
            await (detached?.DisposeAsync() ?? ValueTask.CompletedTask);
            throw;
        }
    }

    /// <summary>Takes the devices (not if this throws); the file may be a container of the disk.</summary>
    public static async ValueTask<ReencryptedImage> OpenAsync(
        ReencryptionOptions options, IBlockDevice file, IHeaderShelf shelf, IBlockDevice? detached, CancellationToken cancellationToken)
    {
        ContainedDisk? container = await ContainedDisk.OpenAsync(options, file, shelf, detached, cancellationToken);
        return new ReencryptedImage(options, container?.View ?? file, shelf, detached) { Container = container };
    }

    /// <summary>An earlier run has begun and left a header that says so.</summary>
    public async ValueTask<bool> IsUnfinishedAsync(CancellationToken cancellationToken)
    {
        if (Shelf.Has(HeaderStage.Active))
        {
            return true;
        }

        if (_detached is null && _options.HeaderPath is not null)
        {
            return false;
        }

        if (await FormatProbe.RecogniseAsync(HeaderDevice, cancellationToken) != ImageFormat.Luks)
        {
            return false;
        }

        return ConvertedContainer.IsUnfinished(await LuksHeader.DescribeAsync(HeaderDevice, s_detached, cancellationToken));
    }

    /// <summary>Throws away what was prepared for an encryption that never began.</summary>
    public async ValueTask UndoPreparedAsync(CancellationToken cancellationToken)
    {
        if (Shelf.Has(HeaderStage.Prepared))
        {
            await HeaderInFront.UndoAsync(Data, Shelf, cancellationToken);
        }
    }

    /// <summary>The header of an encrypted disk that can be converted.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    public async ValueTask<LuksHeader> OpenLuksAsync(CancellationToken cancellationToken)
    {
        await RequireConvertibleAsync(cancellationToken);
        ImageFormat format = await FormatProbe.RecogniseAsync(HeaderDevice, cancellationToken);
        if (format == ImageFormat.Raw)
        {
            throw new InvalidInputException(ErrorIds.NotEncrypted, $"The image {_options.Location} has no LUKS header.");
        }

        LuksOpenOptions opening = LuksOpenOptions.Default with { Placement = Placement };
        LuksHeader? header = format == ImageFormat.Luks ? await LuksHeader.OpenAsync(HeaderDevice, opening, cancellationToken) : null;
        return header is { Payload.Length: null } && Fits(header)
            ? header
            : throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported,
                $"The header of {_options.Location} is {(header is null ? format.ToString() : $"{header.Version} with a payload of its own place or length")}, which is not converted in its place; Convert-Image makes a copy.");
    }

    /// <summary>Refuses what only looks like a raw disk, and containers that are damaged.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.BlockTablesDamaged"/>.</exception>
    public async ValueTask RequireConvertibleAsync(CancellationToken cancellationToken)
    {
        if (Container is not null)
        {
            await Container.RequireSoundAsync(cancellationToken);
        }
        else if (await ContainerProbe.NameAsync(Data, cancellationToken) is { } name)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported, name is nameof(ImageFormat.Vhdx) or nameof(ImageFormat.Vhd)
                ? $"The image {_options.Location} is {name}, which only its end tells, or was named otherwise; give {name} as its format."
                : $"The image {_options.Location} is {name}, which is not converted in its place; Convert-Image makes a copy.");
        }
    }

    /// <summary>A LUKS1 header becomes a LUKS2 header, which alone can say how far a conversion is.</summary>
    /// <exception cref="RefusedException">The header has no room for it.</exception>
    public async ValueTask<LuksHeader> ToLuks2Async(LuksHeader header, CancellationToken cancellationToken) => header.Version == LuksVersion.Luks2
        ? header
        : await (await header.PlanConversionAsync(cancellationToken)).RunAsync(cancellationToken);

    /// <summary>Takes <see cref="ToLuks2Async"/> back, unless a conversion has begun; who cannot do it leaves an ordinary LUKS2 header.</summary>
    public async ValueTask TryToLuks1Async()
    {
        try
        {
            await ToLuks1Async(HeaderDevice, CancellationToken.None);
        }
        catch (VmCryptException)
        {
        }
    }

    /// <summary>Bytes of the payload of an ordinary header, in whole sectors.</summary>
    public long PayloadLength(LuksHeader header) => (Data.Length - header.Payload.Offset) / header.Payload.SectorSize * header.Payload.SectorSize;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SectorSizeInvalid"/>.</exception>
    public void RequireWholeSectors(LuksHeader header, int sectorSize)
    {
        if ((Data.Length - header.Payload.Offset) % Math.Max(sectorSize, header.Payload.SectorSize) != 0)
        {
            throw new InvalidInputException(ErrorIds.SectorSizeInvalid,
                $"The payload has {Data.Length - header.Payload.Offset} bytes, which are not whole sectors of {sectorSize}.");
        }
    }

    /// <summary>The image can be made that long.</summary>
    public bool CanHave(long length) => Container?.CanHave(length) ?? Data.Traits.CanResize;

    /// <summary>Makes a detached header that says that the encryption begins; it appears when it is complete.</summary>
    public async ValueTask CreateHeaderAsync(
        LuksFormatOptions luks, SecretBuffer passphrase, string[] flags, ReencryptionResilience resilience, CancellationToken cancellationToken)
    {
        luks = luks with { Placement = LuksPlacement.Detached };
        await using (PendingFile file = await PendingFile.CreateAsync(
            _options.HeaderPath!, FileCreateOptions.Sparse with { Length = luks.HeaderLength }, replace: false, cancellationToken))
        {
            (_, VolumeKey key) = await LuksHeader.FormatAsync(file.Device, luks, passphrase, cancellationToken);
            using (key)
            {
                await Luks2ReencryptStart.EncryptAsync(file.Device, Data.Length, key, moves: false, flags, resilience, cancellationToken);
            }

            await file.CommitAsync(cancellationToken);
        }

        _detached = await StorageOpener.OpenAsync(DiskLocation.Parse(_options.HeaderPath!), writable: true, forceShare: false, cancellationToken);
    }

    /// <summary>Goes on from wherever the header is, to the end.</summary>
    /// <param name="expected">What is asked for; null for whatever is under way.</param>
    /// <param name="passphrases">Of both keys; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.OtherReencryptionUnfinished"/>.</exception>
    public async Task RunAsync(
        ReencryptionMode? expected, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (Shelf.Has(HeaderStage.Active))
        {
            ReencryptionMode beside = await ModeBesideAsync(cancellationToken);
            RequireExpected(expected, beside, _options.Location);
            if (beside == ReencryptionMode.Decrypt)
            {
                await RunBesideAsync(passphrases, progress, cancellationToken);
                return;
            }

            await HeaderInFront.InstallAsync(Data, Shelf);
        }

        await RunAsync(HeaderDevice, expected, passphrases, progress, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Data.DisposeAsync();
        await (_detached?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    // A header beside is on its way to the front, or has been taken from there.
    private async ValueTask<ReencryptionMode> ModeBesideAsync(CancellationToken cancellationToken)
    {
        await using IBlockDevice file = await Shelf.OpenAsync(HeaderStage.Active, cancellationToken);
        LuksFacts facts = await LuksHeader.DescribeAsync(file, s_detached, cancellationToken);
        return facts.Requirements.Length > 0 && (await Luks2ReencryptHeader.OpenAsync(file, cancellationToken)).Plan.Course == Luks2Course.MoveUp
            ? ReencryptionMode.Encrypt
            : ReencryptionMode.Decrypt;
    }

    private async Task RunBesideAsync(IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        LuksFacts facts = await DescribeBesideAsync(cancellationToken);
        if (!ConvertedContainer.IsUnfinished(facts) && facts.Cipher != Luks2Segment.LinearType)
        {
            await HeaderAside.RenewAsync(Data, Shelf, passphrases, DiskReencryption.PbkdfCost(_options.Encryption.Cost), Flags, cancellationToken);
            await HeaderAside.BeginAsync(Data, Shelf, passphrases, _options.Resilience, cancellationToken);
            facts = await DescribeBesideAsync(cancellationToken);
        }

        if (ConvertedContainer.IsUnfinished(facts))
        {
            await using IBlockDevice file = await Shelf.OpenAsync(HeaderStage.Active, cancellationToken);
            await RunAsync(file, ReencryptionMode.Decrypt, passphrases, progress, cancellationToken);
        }

        Shelf.Delete(HeaderStage.Active);
    }

    private async ValueTask<LuksFacts> DescribeBesideAsync(CancellationToken cancellationToken)
    {
        await using IBlockDevice file = await Shelf.OpenAsync(HeaderStage.Active, cancellationToken);
        return await LuksHeader.DescribeAsync(file, s_detached, cancellationToken);
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.OtherReencryptionUnfinished"/>.</exception>
    public static void RequireExpected(ReencryptionMode? expected, ReencryptionMode found, DiskLocation location)
    {
        if (expected is { } asked && asked != found)
        {
            throw new RefusedException(ErrorIds.OtherReencryptionUnfinished,
                $"Of the image {location} another conversion is unfinished ({found}); Resume-ImageUpdate goes on with it.");
        }
    }

    private async Task RunAsync(
        IBlockDevice area, ReencryptionMode? expected, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        Luks2ReencryptHeader header = await Luks2ReencryptHeader.OpenAsync(area, cancellationToken);
        RequireExpected(expected, ModeOf(header), _options.Location);
        if (!header.IsDone)
        {
            using HeaderLock? running = HeaderLock.TakeReencryption(header.Uuid);
            await RewriteAsync(header, passphrases, progress, cancellationToken);
        }

        if (header.NeedsCleanUp)
        {
            await CleanUpAsync(header, isBeside: !ReferenceEquals(area, HeaderDevice), cancellationToken);
        }

        if (header.BecomesLuks1)
        {
            await ToLuks1Async(area, cancellationToken);
        }
    }

    private async ValueTask ToLuks1Async(IBlockDevice area, CancellationToken cancellationToken)
    {
        LuksHeader header = await LuksHeader.OpenAsync(area, LuksOpenOptions.Default with { Placement = Placement }, cancellationToken);
        if (header.Version == LuksVersion.Luks2)
        {
            await (await header.PlanConversionAsync(cancellationToken)).RunAsync(cancellationToken);
        }
    }

    private async Task RewriteAsync(
        Luks2ReencryptHeader header, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        Luks2ReencryptKeys unlocked;
        try
        {
            unlocked = await header.UnlockAsync(passphrases, cancellationToken);
        }
        catch (WrongKeyException) when (header.IsAtEnd(header.Plan.PayloadLength(Data.Length)))
        {
            await header.EndAsync(header.Plan.PayloadLength(Data.Length), passphrases, cancellationToken);
            return;
        }

        using Luks2ReencryptKeys keys = unlocked;
        if (Container is null && header.Plan.Mode == ReencryptionMode.Reencrypt)
        {
            // All of a raw disk is ciphertext then: what looks like a container is one, of which cryptsetup keeps no name.
            await RequireConvertibleAsync(cancellationToken);
        }

        var payload = PayloadReencryption.Payload.Of(Data, header.Plan, keys, _options.LeaveHoles);
        ZoneGate? gate = Live?.Attach(Data, header.Plan, payload.Length, PayloadCipher.Of(header.Plan, keys));
        using var run = new PayloadReencryption(Data, header, payload, _options.ZoneLength, gate);
        await run.RunAsync(progress, cancellationToken);
    }

    /// <summary>Removes what is left of the plain disk behind the payload, or of the encrypted one, then what is left in the header.</summary>
    private async ValueTask CleanUpAsync(Luks2ReencryptHeader header, bool isBeside, CancellationToken cancellationToken)
    {
        await header.BeginAsync(cancellationToken);
        long end = header.PayloadOffset + (header.FixedLength ?? Data.Length - header.PayloadOffset);
        if (header.HasTail && Data.Length > end)
        {
            await LuksEraser.OverwriteOnceAsync(Data, end, Data.Length - end, cancellationToken);
        }

        if ((header.HasGrown || isBeside) && Data.Traits.CanResize && Data.Length > end)
        {
            await RunAloneAsync(() => Data.SetLengthAsync(end, cancellationToken), cancellationToken);
            await Data.FlushAsync(cancellationToken);
        }

        await (Container?.FinishAsync(_options.WipeFreed, RunAloneAsync, cancellationToken) ?? ValueTask.CompletedTask);
        await header.CleanUpAsync(cancellationToken);
    }

    private async ValueTask RunAloneAsync(Func<ValueTask> change, CancellationToken cancellationToken)
    {
        if (Live is null)
        {
            await change();
            return;
        }

        // So that the guest does not wait for all that is not on the medium yet.
        await Data.FlushAsync(cancellationToken);
        await Live.RunAloneAsync(change, cancellationToken);
    }

    // When all is converted, only a flag says from what.
    private static ReencryptionMode ModeOf(Luks2ReencryptHeader header) =>
        !header.IsDone ? header.Plan.Mode
        : header.IsPlain ? ReencryptionMode.Decrypt
        : header.HasNewKey ? ReencryptionMode.Reencrypt
        : ReencryptionMode.Encrypt;

    private LuksPlacement Placement => _detached is null ? LuksPlacement.Attached : LuksPlacement.Detached;

    // Of a detached header that places its payload further on, nobody knows what lies before it.
    private bool Fits(LuksHeader header) => _detached is null ? header.Payload.Offset >= header.HeaderLength : header.Payload.Offset == 0;
}
