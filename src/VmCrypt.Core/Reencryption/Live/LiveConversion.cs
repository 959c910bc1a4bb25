using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>A conversion in place whose disk is used meanwhile, and on until this is disposed.</summary>
/// <remarks>
/// What a crash leaves is what it leaves of any conversion: the same command or a resume goes on, with or without a user of the disk.
/// Of the user's writes those are there that were flushed. The image stays locked to the end.
/// </remarks>
public sealed class LiveConversion : IAsyncDisposable
{
    /// <summary>Requests wait for the zone at work, so that it is smaller than where nobody waits.</summary>
    internal const int ZoneLength = 16 << 20;

    private readonly ReencryptedImage _image;
    private readonly LiveDisk _live = new();
    private readonly CancellationTokenSource _stop = new();
    private long _done;
    private long _total;

    private LiveConversion(ReencryptedImage image)
    {
        _image = image;
        image.Live = _live;
    }

    /// <summary>The plain disk, which this owns.</summary>
    public IBlockDevice Disk => _live.Ready.Result;

    /// <summary>Ends with the conversion; cancelled where it was stopped, and faulted where it failed: the disk can be used on all the same.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    public LiveConversionState State => Completion switch
    {
        { IsCompleted: false } => LiveConversionState.Running,
        { IsCompletedSuccessfully: true } => LiveConversionState.Completed,
        { IsCanceled: true } => LiveConversionState.Stopped,
        _ => LiveConversionState.Failed,
    };

    /// <summary>0 to 100.</summary>
    public double Percent => Interlocked.Read(ref _total) is var total && total == 0 ? 0 : 100.0 * Interlocked.Read(ref _done) / total;

    /// <summary>Told after each zone; null where nobody looks.</summary>
    public IProgress<JobProgress>? Observer { get; set; }

    /// <summary><see cref="DiskReencryption.ProtectAsync(ReencryptionOptions, SecretBuffer, IProgress{JobProgress}?, CancellationToken)"/> in the background.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="passphrase">Of the first key slot; borrowed until this returns.</param>
    /// <param name="cancellationToken">Stops the conversion until this returns.</param>
    /// <returns>Null where nothing was left to convert but what is left over: all is done.</returns>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LiveConversionUnsupported"/>, and what the conversion refuses.</exception>
    public static async Task<LiveConversion?> ProtectAsync(
        ReencryptionOptions options, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        await LayerUsers.RequireNoneAsync(options, ReencryptionMode.Encrypt, cancellationToken);
        return await StartAsync(options, (image, own, stop) => DiskReencryption.ProtectAsync(image, passphrase, own, stop), cancellationToken);
    }

    /// <summary><see cref="DiskReencryption.UnprotectAsync(ReencryptionOptions, SecretBuffer, IProgress{JobProgress}?, CancellationToken)"/> in the background.</summary>
    /// <inheritdoc cref="ProtectAsync"/>
    public static async Task<LiveConversion?> UnprotectAsync(
        ReencryptionOptions options, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        await LayerUsers.RequireNoneAsync(options, ReencryptionMode.Decrypt, cancellationToken);
        return await StartAsync(options, (image, own, stop) => DiskReencryption.UnprotectAsync(image, passphrase, own, stop), cancellationToken);
    }

    /// <summary><see cref="DiskReencryption.UpdateKeyAsync(ReencryptionOptions, SecretBuffer, IReadOnlyList{SecretBuffer}, IProgress{JobProgress}?, CancellationToken)"/> in the background.</summary>
    /// <inheritdoc cref="ProtectAsync"/>
    public static Task<LiveConversion?> UpdateKeyAsync(
        ReencryptionOptions options, SecretBuffer passphrase, IReadOnlyList<SecretBuffer> newPassphrases, CancellationToken cancellationToken) =>
        StartAsync(options, (image, own, stop) => DiskReencryption.UpdateKeyAsync(image, passphrase, newPassphrases, own, stop), cancellationToken);

    /// <summary><see cref="DiskReencryption.ResumeAsync(ReencryptionOptions, IReadOnlyList{SecretBuffer}, IProgress{JobProgress}?, CancellationToken)"/> in the background.</summary>
    /// <inheritdoc cref="ProtectAsync"/>
    public static Task<LiveConversion?> ResumeAsync(
        ReencryptionOptions options, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken) =>
        StartAsync(options, (image, own, stop) => DiskReencryption.ResumeAsync(image, passphrases, own, stop), cancellationToken);

    /// <summary>Stops the conversion after the zone at work, to be gone on with; the disk can be used on.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Stops the conversion and closes the disk, which nobody uses any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
        try
        {
            await _live.DisposeAsync();
        }
        finally
        {
            await _image.DisposeAsync();
        }
    }

    private static async Task<LiveConversion?> StartAsync(
        ReencryptionOptions options, Func<ReencryptedImage, IProgress<JobProgress>, CancellationToken, Task> convert, CancellationToken cancellationToken)
    {
        if (options.LeaveHoles)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Holes that are left would turn from zeros into noise under the eyes of who uses the disk.");
        }

        await RequireServableAsync(options.Location, cancellationToken);
        return await StartAsync(
            await ReencryptedImage.OpenAsync(options with { ZoneLength = Math.Min(options.ZoneLength, ZoneLength) }, cancellationToken), convert, cancellationToken);
    }

    /// <summary>Takes the image.</summary>
    internal static async Task<LiveConversion?> StartAsync(
        ReencryptedImage image, Func<ReencryptedImage, IProgress<JobProgress>, CancellationToken, Task> convert, CancellationToken cancellationToken)
    {
        var conversion = new LiveConversion(image);
        try
        {
            if (await conversion.RunAsync(convert, cancellationToken))
            {
                return conversion;
            }
        }
        catch
        {
            await conversion.DisposeAsync();
            throw;
        }

        await conversion.DisposeAsync();
        return null;
    }

    /// <summary>Begins to convert; returns when the disk can be used, or false when all is done without that.</summary>
    private async Task<bool> RunAsync(Func<ReencryptedImage, IProgress<JobProgress>, CancellationToken, Task> convert, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration stopping = cancellationToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop);
        Completion = Task.Run(() => convert(_image, new Listener(this), _stop.Token), CancellationToken.None);
        await Task.WhenAny(_live.Ready, Completion);
        if (!_live.Ready.IsCompleted || cancellationToken.IsCancellationRequested)
        {
            await Completion;
            cancellationToken.ThrowIfCancellationRequested();
            return false;
        }

        return true;
    }

    // Who is wrongly refused, because of what the guest has written to a raw disk, can convert without a user.
    private static async ValueTask RequireServableAsync(DiskLocation location, CancellationToken cancellationToken)
    {
        await using IBlockDevice file = await StorageOpener.OpenAsync(location, writable: false, forceShare: true, cancellationToken);
        if (await ContainerProbe.NameAsync(file, cancellationToken) is { } name and not (nameof(ImageFormat.Qcow2) or nameof(ImageFormat.Vhdx) or nameof(ImageFormat.Vhd)))
        {
            throw new UnsupportedFeatureException(ErrorIds.LiveConversionUnsupported,
                $"The image {location} is {name}, which cannot be served while it is converted; convert it without a server, or make a copy with Convert-Image.");
        }
    }

    private sealed class Listener(LiveConversion conversion) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            Interlocked.Exchange(ref conversion._total, value.TotalBytes);
            Interlocked.Exchange(ref conversion._done, value.DoneBytes);
            conversion.Observer?.Report(value);
        }
    }
}

/// <summary>What has become of a conversion whose disk is in use.</summary>
public enum LiveConversionState
{
    Running,

    /// <summary>It has come to its end.</summary>
    Completed,

    /// <summary>It was stopped between two zones, and can be gone on with.</summary>
    Stopped,

    /// <summary>Likewise, but a zone may be half rewritten, which is recovered first.</summary>
    Failed,
}
