using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Converts the images of a backing chain one after the other, from the base up.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves. (1) All layers are looked at and locked: nothing is changed. (2) The record is put beside the
/// active image: the old chain, and a record of what was meant. (3) Layer by layer: in an encryption the overlay of a raw base names it LUKS,
/// in one sector, flush: a chain that nobody opens; the layer is converted as it would be alone, and meanwhile nobody opens it; in a
/// decryption the overlay names the base raw, likewise. After each layer: a chain that opens by the keys of its layers, as they are.
/// (4) The record is deleted: done. From (2) on the same command or a resumption goes on: a layer is done when its header has another volume
/// key's mark than was recorded. What those that are done got opens them, or the others do not get it: it may be misspelt.
/// </remarks>
internal sealed class ChainConversion(ChainOptions options, ReencryptionMode mode, ChainSecrets secrets)
{
    private readonly DiskLocation _active = options.Layers.Location;

    public async Task RunAsync(IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        RequireForChains();
        ChainRecord? record = await ChainRecord.ReadAsync(_active, cancellationToken);
        ReencryptedImage.RequireExpected(mode, record?.Mode ?? mode, _active);
        var opening = new DiskOpenOptions { Format = options.Format, References = options.References };
        List<ChainImage> chain = await BackingChain.DescribeAsync(_active, opening, converting: record is not null, cancellationToken);
        record?.RequireSame(chain);
        chain.ForEach(layer => RequireKind(layer, begun: record is not null));
        record ??= await PlanAsync(chain, cancellationToken);
        await using var layers = new OpenLayers();
        await OpenAsync(layers, chain, cancellationToken);
        await CheckAsync(layers, record, cancellationToken);
        if (!ChainRecord.IsBeside(_active))
        {
            await record.CreateAsync(_active, cancellationToken);
        }

        await ConvertAsync(layers, record, progress, cancellationToken);
        ChainRecord.Delete(_active);
    }

    private void RequireForChains()
    {
        ReencryptionOptions layers = options.Layers;
        string? obstacle = layers switch
        {
            { HeaderPath: not null } => "one detached header cannot stand for several layers",
            { ReduceSize: true } => "no layer may lose its end, which another may need",
            { Encryption.VolumeKey: not null } => "each layer needs a volume key of its own",
            _ => ChainRecord.PathOf(_active) is null ? "nothing can be recorded beside a block device or an NBD export" : null,
        };
        if (obstacle is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"The backing chain of {_active} cannot be converted like that: {obstacle}.");
        }
    }

    private void RequireKind(ChainImage layer, bool begun)
    {
        ImageDescription image = layer.Image;
        bool underWay = ChainRecord.IsUnderWay(image);
        if (underWay && !begun)
        {
            throw new RefusedException(ErrorIds.OtherReencryptionUnfinished,
                $"Of the layer {layer.Location} alone a conversion is unfinished; finish it with Resume-ImageUpdate before the chain is converted.");
        }

        if (image.Unusable is { } reason && !underWay)
        {
            throw reason;
        }

        bool known = image.Format is ImageFormat.Qcow2 or ImageFormat.Raw or ImageFormat.Luks
            && (underWay || image.Encryption is EncryptionPlacement.None or EncryptionPlacement.Inside or EncryptionPlacement.Attached);
        if (!known)
        {
            throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported,
                $"The backing chain cannot be converted in its place: the layer {layer.Location} is {image.Format} with the encryption {image.Encryption}; there may be qcow2 and raw ones, and LUKS inside or in front.");
        }

        if (mode == ReencryptionMode.Reencrypt && !image.IsEncrypted)
        {
            throw new InvalidInputException(ErrorIds.NotEncrypted, $"The layer {layer.Location} is not encrypted; Protect-Image -Chain encrypts those that are not.");
        }
    }

    /// <summary>What there is to do; at least something.</summary>
    private async ValueTask<ChainRecord> PlanAsync(List<ChainImage> chain, CancellationToken cancellationToken)
    {
        await RequireNoOtherUsersAsync(chain, cancellationToken);
        ChainRecordLayer[] layers = ChainRecord.LayersOf(chain, layer => mode switch
        {
            ReencryptionMode.Encrypt => !layer.Image.IsEncrypted,
            ReencryptionMode.Decrypt => layer.Image.IsEncrypted,
            _ => true,
        });
        return layers.Any(layer => layer.Converts) ? ChainTerms.RecordOf(options.Layers, mode, layers)
            : mode == ReencryptionMode.Encrypt ? throw new RefusedException(ErrorIds.AlreadyEncrypted, $"All layers of {_active} are encrypted already; Update-ImageKey -Chain gives them other keys.")
            : throw new InvalidInputException(ErrorIds.NotEncrypted, $"No layer of {_active} is encrypted.");
    }

    private async ValueTask RequireNoOtherUsersAsync(List<ChainImage> chain, CancellationToken cancellationToken)
    {
        var users = new ImageUsers();
        foreach (ChainImage layer in chain)
        {
            // Who calls a disk raw reads noise when it is encrypted, and is not even refused.
            bool misread = layer.Image.Format != ImageFormat.Qcow2 && mode != ReencryptionMode.Reencrypt;
            string[] others = await users.OfAsync(layer.Location.Text, chain.Select(own => own.Location.Text), cancellationToken);
            if (others.Length > 0 && (misread || !options.Force))
            {
                throw new RefusedException(ErrorIds.LayerHasOtherUsers,
                    $"The layer '{layer.Location}' is the backing or data file of {ImageUsers.Named(others)}, too, which "
                    + (misread ? "would take it for what it is not any more, so that nothing forces this; make a copy of the layer for them first." : "would have to be opened in another way from then on; force the conversion to accept that."));
            }
        }
    }

    private async ValueTask OpenAsync(OpenLayers layers, List<ChainImage> chain, CancellationToken cancellationToken)
    {
        foreach (ChainImage described in chain)
        {
            ReencryptionOptions own = options.Layers with
            {
                Location = described.Location,
                Format = described.Image.Format,
                Version = options.Layers.Version ?? VersionOf(described.Image),
            };
            ReencryptedImage image = await ReencryptedImage.OpenAsync(own, cancellationToken);
            layers.Add(new ChainLayer(described, new ReencryptedImage(own, options.Wrap(image.Data), image.Shelf), layers.Count == 0 ? null : layers[^1]));
        }
    }

    // QEMU opens LUKS1 alone.
    private LuksVersion? VersionOf(ImageDescription image) => mode == ReencryptionMode.Reencrypt ? image.Luks?.Version : LuksVersion.Luks1;

    private async ValueTask CheckAsync(OpenLayers layers, ChainRecord record, CancellationToken cancellationToken)
    {
        bool[] done = [.. layers.Select((layer, number) => record.IsDone(number, layer.Described.Image))];
        for (int number = 0; number < layers.Count; number++)
        {
            if (!done[number] && !ChainRecord.IsUnderWay(layers[number].Described.Image))
            {
                await layers[number].CheckAsync(mode, secrets, cancellationToken);
            }
            else if (done[number] && record.Layers[number].Converts && done.Contains(false))
            {
                await layers[number].ProveAsync(mode, secrets, cancellationToken);
            }
        }
    }

    private async Task ConvertAsync(OpenLayers layers, ChainRecord record, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        for (int number = layers.Count - 1; number >= 0; number--)
        {
            ChainLayer layer = layers[number];
            if (!record.IsDone(number, layer.Described.Image))
            {
                cancellationToken.ThrowIfCancellationRequested();
                string name = Path.GetFileName(layer.Described.Location.Text);
                var detailed = progress is null ? null : new LayerProgress(progress, $"layer {layers.Count - number} of {layers.Count}: {name}");
                await layer.RunAsync(mode, secrets, detailed, cancellationToken);
            }

            await layer.SettleAsync(mode, cancellationToken);
        }
    }

    private sealed class LayerProgress(IProgress<JobProgress> progress, string layer) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => progress.Report(value with { Detail = layer });
    }

    /// <summary>The layers, the active one first.</summary>
    private sealed class OpenLayers : List<ChainLayer>, IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            foreach (ChainLayer layer in this)
            {
                await layer.DisposeAsync();
            }
        }
    }
}
