using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Encrypts, decrypts and re-encrypts all images of a backing chain in their places.</summary>
/// <remarks>Each call goes on with what an earlier one left unfinished. All layers are locked before the first is changed, and to the end.</remarks>
public static class ChainReencryption
{
    /// <summary>Encrypts every layer that is plain. Between two layers the chain opens by the passphrase.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="passphrase">Of the first key slot of each layer; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.AlreadyEncrypted"/>, <see cref="ErrorIds.LayerHasOtherUsers"/>, <see cref="ErrorIds.ChainChanged"/>,
    /// <see cref="ErrorIds.OtherReencryptionUnfinished"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>: of some layer; none was touched.</exception>
    public static Task ProtectAsync(ChainOptions options, SecretBuffer passphrase, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        new ChainConversion(options, ReencryptionMode.Encrypt, new ChainSecrets(_ => passphrase, [])).RunAsync(progress, cancellationToken);

    /// <summary>Decrypts every layer that is encrypted. Between two layers the chain opens by the keys of those that still are.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="keys">Of the layers; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>, <see cref="ErrorIds.KeyRequired"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: of some layer; none was touched.</exception>
    public static Task UnprotectAsync(ChainOptions options, DiskKeys keys, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        new ChainConversion(options, ReencryptionMode.Decrypt, new ChainSecrets(keys.For, [])).RunAsync(progress, cancellationToken);

    /// <summary>Gives every layer another volume key. Between two layers those from the base up open by the new passphrase, the others by their old ones.</summary>
    /// <param name="options">What and how.</param>
    /// <param name="keys">Of the layers; borrowed.</param>
    /// <param name="newPassphrases">Of the new key of each layer, one slot each; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsWouldBeLost"/>.</exception>
    public static Task UpdateKeyAsync(
        ChainOptions options, DiskKeys keys, IReadOnlyList<SecretBuffer> newPassphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken) =>
        new ChainConversion(options, ReencryptionMode.Reencrypt, new ChainSecrets(keys.For, newPassphrases)).RunAsync(progress, cancellationToken);

    /// <summary>Goes on with what the record beside the active image tells of, as it was begun.</summary>
    /// <param name="options">The chain; what its layers are to become stands in the record, to which the wiping of freed room can be added.</param>
    /// <param name="passphrases">Of both keys, the new one last; borrowed.</param>
    /// <param name="progress">Told after each zone.</param>
    /// <param name="cancellationToken">Stops after the zone at work; to be resumed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.Luks2NotReencrypting"/>, <see cref="ErrorIds.ChainChanged"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.ChainRecordInvalid"/>.</exception>
    public static async Task ResumeAsync(
        ChainOptions options, IReadOnlyList<SecretBuffer> passphrases, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        ChainRecord record = await ChainRecord.ReadAsync(options.Layers.Location, cancellationToken)
            ?? throw new RefusedException(ErrorIds.Luks2NotReencrypting, $"Nothing is unfinished of the backing chain of {options.Layers.Location}.");
        var secrets = new ChainSecrets(_ => passphrases[0], record.Mode == ReencryptionMode.Reencrypt ? [passphrases[^1]] : []);
        await new ChainConversion(options with { Layers = ChainTerms.Of(record, options.Layers) }, record.Mode, secrets).RunAsync(progress, cancellationToken);
    }
}
