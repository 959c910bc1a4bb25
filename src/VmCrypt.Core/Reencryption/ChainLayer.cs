using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>One image of a chain that is being converted, open and locked.</summary>
/// <param name="described">What it was before.</param>
/// <param name="image">Owned.</param>
/// <param name="overlay">The image that is built on it; null for the active one.</param>
internal sealed class ChainLayer(ChainImage described, ReencryptedImage image, ChainLayer? overlay) : IAsyncDisposable
{
    private const string RawWord = "raw";
    private const string LuksWord = "luks";

    public ChainImage Described => described;

    private DiskLocation Location => described.Location;

    private bool IsQcow2 => described.Image.Format == ImageFormat.Qcow2;

    // The overlay of a raw disk tells whether that is encrypted; that of a qcow2 image need not.
    private bool IsNamed => overlay is not null && !IsQcow2;

    /// <summary>Refuses what could not be converted, before anything is touched.</summary>
    public async ValueTask CheckAsync(ReencryptionMode mode, ChainSecrets secrets, CancellationToken cancellationToken)
    {
        try
        {
            SecretBuffer? passphrase = mode == ReencryptionMode.Encrypt ? null : secrets.Of(Location);
            if (!IsQcow2 && mode == ReencryptionMode.Decrypt && Location.HeaderBeside is null)
            {
                throw Unsupported("is a block device, whose header would have to lie in a file meanwhile");
            }

            await (IsQcow2
                ? new Qcow2Conversion(image.Options, image.Data).CheckAsync(mode, passphrase, cancellationToken)
                : DiskReencryption.CheckAsync(image, mode, passphrase, cancellationToken));
            if (IsNamed && mode != ReencryptionMode.Reencrypt && await overlay!.RenamedAsync(LuksWord, cancellationToken) is null)
            {
                throw Unsupported($"is a raw disk, and its overlay {overlay.Location} has no place where its format can be changed in one write; 'qemu-img rebase -u -b <path> -F raw' names it");
            }
        }
        catch (VmCryptException reason) when (!reason.Message.Contains(Location.Text, StringComparison.Ordinal))
        {
            throw Named(reason);
        }
    }

    /// <summary>Refuses secrets that the layer, which is done, was not given: those that go on would get others.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public async ValueTask ProveAsync(ReencryptionMode mode, ChainSecrets secrets, CancellationToken cancellationToken)
    {
        IReadOnlyList<SecretBuffer> given = mode switch
        {
            ReencryptionMode.Encrypt => [secrets.Of(Location)],
            ReencryptionMode.Reencrypt => secrets.Next,
            _ => [],
        };
        try
        {
            foreach (SecretBuffer passphrase in given)
            {
                (await OpenAsync(passphrase, cancellationToken)).Dispose();
            }
        }
        catch (WrongKeyException wrong)
        {
            throw new WrongKeyException(wrong.ErrorId, $"The layer {Location} is converted already, and the passphrase for the others does not open it.", wrong);
        }
    }

    /// <summary>Converts the layer, or goes on with it.</summary>
    public async Task RunAsync(ReencryptionMode mode, ChainSecrets secrets, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (mode == ReencryptionMode.Encrypt && IsNamed)
        {
            await overlay!.RenameAsync(LuksWord, cancellationToken);
        }

        SecretBuffer passphrase = secrets.Of(Location);
        var qcow2 = new Qcow2Conversion(image.Options, image.Data);
        await ((mode, IsQcow2) switch
        {
            (ReencryptionMode.Encrypt, true) => qcow2.ProtectAsync(passphrase, progress, cancellationToken),
            (ReencryptionMode.Encrypt, false) => DiskReencryption.ProtectAsync(image, passphrase, progress, cancellationToken),
            (ReencryptionMode.Decrypt, true) => qcow2.UnprotectAsync(passphrase, progress, cancellationToken),
            (ReencryptionMode.Decrypt, false) => DiskReencryption.UnprotectAsync(image, passphrase, progress, cancellationToken),
            (_, true) => qcow2.UpdateKeyAsync(passphrase, secrets.Next, progress, cancellationToken),
            _ => DiskReencryption.UpdateKeyAsync(image, passphrase, secrets.Next, progress, cancellationToken),
        });
    }

    /// <summary>Makes the overlay of a decrypted raw disk call it so.</summary>
    public ValueTask SettleAsync(ReencryptionMode mode, CancellationToken cancellationToken) =>
        mode == ReencryptionMode.Decrypt && IsNamed && described.Named == ImageFormat.Luks
            ? overlay!.RenameAsync(RawWord, cancellationToken)
            : ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => image.DisposeAsync();

    private async ValueTask<VolumeKey> OpenAsync(SecretBuffer passphrase, CancellationToken cancellationToken) => IsQcow2
        ? await new Qcow2Preparation(image.Options, image.Data).OpenAsync(passphrase, cancellationToken)
        : (await (await image.OpenLuksAsync(cancellationToken)).UnlockAsync(passphrase, slot: null, cancellationToken)).Key;

    private async ValueTask RenameAsync(string word, CancellationToken cancellationToken)
    {
        byte[] changed = await RenamedAsync(word, cancellationToken) ?? throw Unsupported("does not name the format of its backing file any more");
        await image.Data.WriteAsync(0, changed, CancellationToken.None);
        await image.Data.FlushAsync(CancellationToken.None);
    }

    private async ValueTask<byte[]?> RenamedAsync(string word, CancellationToken cancellationToken)
    {
        byte[] sector = new byte[ConversionPointer.SectorSize];
        await image.Data.ReadAsync(0, sector, cancellationToken);
        return BackingFormatWord.Replace(sector, word);
    }

    private UnsupportedFeatureException Unsupported(string why) =>
        new(ErrorIds.InPlaceUnsupported, $"The backing chain cannot be converted in its place: the layer {Location} {why}.");

    private VmCryptException Named(VmCryptException reason)
    {
        string message = $"Layer {Location}: {reason.Message}";
        return reason switch
        {
            UnsupportedFeatureException => new UnsupportedFeatureException(reason.ErrorId, message, reason),
            InvalidImageException => new InvalidImageException(reason.ErrorId, message, reason),
            WrongKeyException => new WrongKeyException(reason.ErrorId, message, reason),
            RefusedException => new RefusedException(reason.ErrorId, message, reason),
            _ => reason,
        };
    }
}
