using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>Takes the header of an encrypted disk away from its front, where the plain disk is to begin.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves. (1) The header is copied beside the image: two headers for the same payload.
/// (2) The first bytes of the payload, encrypted as they are, are copied over the header in front, flush: the header beside opens the payload,
/// which has not been touched. (3) The header beside says that the decryption is under way. A crash before (3) is made good by (2) once more,
/// unless the header in front still stands and proves another volume key than the one beside, or only that opens: then somebody has changed the
/// disk since (1), the one beside is thrown away, and (1) is repeated.
/// </remarks>
internal static class HeaderAside
{
    /// <param name="data">The encrypted disk with its header in front.</param>
    /// <param name="shelf">Keeps the header from now on.</param>
    /// <param name="header">The one in front; where it is LUKS1, the one beside is a LUKS2 header for the same key.</param>
    /// <param name="key">Of the header.</param>
    /// <param name="passphrase">Opens it; borrowed.</param>
    /// <param name="cost">Of the key slot where one is made.</param>
    /// <param name="flags">What the payload lies in.</param>
    /// <param name="cancellationToken">Cancels; the disk is untouched.</param>
    public static ValueTask CopyAsync(
        IBlockDevice data, IHeaderShelf shelf, LuksHeader header, VolumeKey key, SecretBuffer passphrase, KdfCost cost, string[] flags,
        CancellationToken cancellationToken)
    {
        if (header.Version == LuksVersion.Luks2)
        {
            return shelf.CreateAsync(
                HeaderStage.Active,
                header.HeaderLength,
                async file =>
                {
                    await HeaderInFront.CopyAsync(data, 0, file, 0, header.HeaderLength, cancellationToken);
                    await Luks2ReencryptStart.FlagAsync(file, flags, cancellationToken);
                },
                cancellationToken);
        }

        return CreateAsync();

        async ValueTask CreateAsync()
        {
            using SecretBuffer exported = key.Export();
            long copies = 2 * Luks2Layout.HeaderSizes[0];
            // Of a header that says where its payload begins, all must fit in front of that.
            long room = Math.Min(header.Payload.Offset, Luks2Layout.DefaultHeaderLength) - copies;
            var luks = LuksFormatOptions.Default with
            {
                Version = LuksVersion.Luks2,
                Placement = LuksPlacement.Detached,
                Cipher = header.Payload.Cipher,
                KeySize = exported.Length,
                Hash = header.Hash,
                SectorSize = header.Payload.SectorSize,
                VolumeKey = exported,
                KeyslotsSize = room / Luks2Layout.AreaAlignment * Luks2Layout.AreaAlignment,
                Cost = cost,
            };
            await shelf.CreateAsync(
                HeaderStage.Active,
                luks.HeaderLength,
                async file =>
                {
                    (await LuksHeader.FormatAsync(file, luks, passphrase, cancellationToken)).Key.Dispose();
                    await Luks2ReencryptStart.PlaceAsync(file, header.Payload.Offset, cancellationToken);
                    await Luks2ReencryptStart.FlagAsync(file, flags, cancellationToken);
                },
                cancellationToken);
        }
    }

    /// <summary>Makes sure that the header beside is that of the payload as it is now, before (2) destroys the one in front.</summary>
    /// <param name="data">The disk.</param>
    /// <param name="shelf">Has the header.</param>
    /// <param name="passphrases">One of them opens it; borrowed.</param>
    /// <param name="cost">Of the key slot where one is made.</param>
    /// <param name="flags">What the payload lies in.</param>
    /// <param name="cancellationToken">Cancels; the disk is untouched.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: of the header that counts.</exception>
    /// <exception cref="UnsupportedFeatureException">What is required to understand the header in front is not met: somebody re-encrypts the disk.</exception>
    public static async ValueTask RenewAsync(
        IBlockDevice data, IHeaderShelf shelf, IReadOnlyList<SecretBuffer> passphrases, KdfCost cost, string[] flags, CancellationToken cancellationToken)
    {
        if (await FrontAsync(data, cancellationToken) is not { } front || await IsBesideAsync(shelf, front, passphrases, cancellationToken))
        {
            return;
        }

        (SecretBuffer passphrase, VolumeKey opened) = await Passphrases.FindAsync(front, passphrases, cancellationToken);
        using VolumeKey key = opened;
        shelf.Delete(HeaderStage.Active);
        await CopyAsync(data, shelf, front, key, passphrase, cost, flags, cancellationToken);
    }

    /// <summary>The steps (2) and (3).</summary>
    /// <param name="data">The disk.</param>
    /// <param name="shelf">Has the header.</param>
    /// <param name="passphrases">One of them opens it; borrowed.</param>
    /// <param name="resilience">How the part is protected that is rewritten in its place.</param>
    /// <param name="cancellationToken">Cancels before (2).</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public static async ValueTask BeginAsync(
        IBlockDevice data, IHeaderShelf shelf, IReadOnlyList<SecretBuffer> passphrases, ReencryptionResilience resilience, CancellationToken cancellationToken)
    {
        await using IBlockDevice file = await shelf.OpenAsync(HeaderStage.Active, cancellationToken);
        LuksHeader header = await LuksHeader.OpenAsync(file, LuksOpenOptions.Default with { Placement = LuksPlacement.Detached }, cancellationToken);
        using VolumeKey key = await Passphrases.UnlockAsync(header, passphrases, cancellationToken);
        Luks2Metadata metadata = (await Luks2Copies.ReadAsync(file, cancellationToken)).Current.Metadata;
        long length = (data.Length - header.Payload.Offset) / header.Payload.SectorSize * header.Payload.SectorSize;
        long moved = Luks2ReencryptStart.MovedLength(metadata, length);
        await HeaderInFront.CopyAsync(data, header.Payload.Offset, data, 0, moved, CancellationToken.None);
        await data.FlushAsync(CancellationToken.None);
        await Luks2ReencryptStart.DecryptAsync(file, length, key, [], resilience, CancellationToken.None);
    }

    // What (2) has overwritten, in whole or in part, is no header, or opens the same payload still.
    private static async ValueTask<LuksHeader?> FrontAsync(IBlockDevice data, CancellationToken cancellationToken)
    {
        try
        {
            return await LuksHeader.OpenAsync(data, LuksOpenOptions.Default, cancellationToken);
        }
        catch (InvalidImageException)
        {
            return null;
        }
    }

    /// <summary>The header beside opens, and its volume key and payload are those of the one in front.</summary>
    private static async ValueTask<bool> IsBesideAsync(
        IHeaderShelf shelf, LuksHeader front, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        await using IBlockDevice file = await shelf.OpenAsync(HeaderStage.Active, cancellationToken);
        LuksHeader beside = await LuksHeader.OpenAsync(file, LuksOpenOptions.Default with { Placement = LuksPlacement.Detached }, cancellationToken);
        try
        {
            using VolumeKey key = await Passphrases.UnlockAsync(beside, passphrases, cancellationToken);
            using SecretBuffer raw = key.Export();
            (await front.UnlockWithVolumeKeyAsync(raw, cancellationToken)).Dispose();
            return beside.Payload == front.Payload;
        }
        catch (VmCryptException other) when (other is WrongKeyException or InvalidInputException)
        {
            return false;
        }
    }
}
