using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>The volume keys before and after a conversion; null for a plain side. Owns them.</summary>
/// <remarks>Together they prove the journal: who can write to the file could else turn a new key into a decryption.</remarks>
internal sealed class Qcow2Keys(VolumeKey? before, VolumeKey? after) : IDisposable
{
    public static readonly LuksOpenOptions Embedded = LuksOpenOptions.Default with { Placement = LuksPlacement.Embedded };

    /// <summary>The LUKS header in the file; the device does not own the file.</summary>
    public static IBlockDevice AreaOf(IBlockDevice file, Qcow2EncryptionHeader place) => new SubDevice(file, place.Offset, place.Length, ownsInner: false);

    /// <exception cref="Errors.WrongKeyException"><see cref="Errors.ErrorIds.WrongPassphrase"/>.</exception>
    public static async ValueTask<Qcow2Keys> UnlockAsync(
        IBlockDevice file, ConversionState state, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        VolumeKey? before = await UnlockAsync(state.Before);
        try
        {
            return new Qcow2Keys(before, await UnlockAsync(state.After));
        }
        catch
        {
            before?.Dispose();
            throw;
        }

        async ValueTask<VolumeKey?> UnlockAsync(Qcow2EncryptionHeader? place) => place is { } area
            ? await Passphrases.UnlockAsync(await LuksHeader.OpenAsync(AreaOf(file, area), Embedded, cancellationToken), passphrases, cancellationToken)
            : null;
    }

    /// <summary>A cipher for the clusters, whose IVs count the sectors of the file.</summary>
    public PayloadCipher CreateCipher() => new(new PayloadSide(before?.CreateCipher(), 0), new PayloadSide(after?.CreateCipher(), 0));

    /// <summary>The cipher of the disk when all is done; null for a plain one.</summary>
    public SectorCipher? CreateCipherAfter() => after?.CreateCipher();

    public ConversionState Seal(ConversionState state) => Seal(before, after, state);

    /// <summary>The same with keys of somebody else.</summary>
    public static ConversionState Seal(VolumeKey? before, VolumeKey? after, ConversionState state) => state with { Mac = MacOf(before, after, state) };

    public bool Prove(ConversionState state) => CryptographicOperations.FixedTimeEquals(MacOf(before, after, state), state.Mac);

    public void Dispose()
    {
        before?.Dispose();
        after?.Dispose();
    }

    private static byte[] MacOf(VolumeKey? before, VolumeKey? after, ConversionState state)
    {
        using SecretBuffer? first = before?.Export();
        using SecretBuffer? second = after?.Export();
        using var both = new SecretBuffer((first?.Length ?? 0) + (second?.Length ?? 0));
        first?.Span.CopyTo(both.Span);
        second?.Span.CopyTo(both.Span[(first?.Length ?? 0)..]);
        return HMACSHA256.HashData(both.Span, state.Encode().AsSpan(0, ConversionState.MacOffset));
    }
}
