using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Reencryption;

/// <summary>Brings a header to the front of a plain disk, whose first bytes make room.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves. (1) The whole header is made beside the image: the plain disk, and a header to be thrown away.
/// (2) The file grows: the same. (3) The first bytes are copied behind the end, flush: the same. (4) The header beside becomes the active one:
/// from here on <see cref="InstallAsync"/> is repeated until (5) key slots, flush, second copy, flush, first copy, flush stand in front.
/// (6) The header beside is deleted: the one in front is the only one, and half torn it never was.
/// </remarks>
internal static class HeaderInFront
{
    private const int CopyPiece = 1 << 20;

    /// <param name="data">The plain disk.</param>
    /// <param name="shelf">Keeps the header meanwhile.</param>
    /// <param name="luks">The header to make.</param>
    /// <param name="passphrase">Of its first slot; borrowed.</param>
    /// <param name="flags">What is to be done with the header at the end.</param>
    /// <param name="grows">The file grows by twice the header's length; else the last so many bytes of the disk are given up.</param>
    /// <param name="cancellationToken">Cancels before (4).</param>
    public static async ValueTask BeginAsync(
        IBlockDevice data, IHeaderShelf shelf, LuksFormatOptions luks, SecretBuffer passphrase,
        string[] flags, bool grows, CancellationToken cancellationToken)
    {
        luks = luks with { Placement = LuksPlacement.Attached };
        long header = luks.HeaderLength;
        long length = grows ? data.Length : data.Length - (2 * header);
        await shelf.CreateAsync(
            HeaderStage.Prepared,
            header,
            async file =>
            {
                (_, VolumeKey key) = await LuksHeader.FormatAsync(file, luks, passphrase, cancellationToken);
                using (key)
                {
                    await Luks2ReencryptStart.EncryptAsync(
                        file, length, key, moves: true, grows ? [Luks2ReencryptHeader.GrownFlag, .. flags] : flags, ReencryptionResilience.Checksum, cancellationToken);
                }
            },
            cancellationToken);
        if (grows)
        {
            await data.SetLengthAsync(length + (2 * header), cancellationToken);
            await data.FlushAsync(cancellationToken);
        }

        await CopyAsync(data, 0, data, length + header, Math.Min(header, length), cancellationToken);
        await data.FlushAsync(cancellationToken);
        shelf.Promote();
        await InstallAsync(data, shelf);
    }

    /// <summary>Throws away what was prepared: the disk is plain and as long as it was.</summary>
    public static async ValueTask UndoAsync(IBlockDevice data, IHeaderShelf shelf, CancellationToken cancellationToken)
    {
        await using (IBlockDevice file = await shelf.OpenAsync(HeaderStage.Prepared, cancellationToken))
        {
            var header = await Luks2ReencryptHeader.OpenAsync(file, cancellationToken);
            long length = (long)header.Plan.Before.Size!.Value;
            if (header.HasGrown && data.Length == length + (2 * header.PayloadOffset))
            {
                await data.SetLengthAsync(length, cancellationToken);
                await data.FlushAsync(cancellationToken);
            }
        }

        shelf.Delete(HeaderStage.Prepared);
    }

    /// <summary>Puts the active header in front, unless it stands there already, and deletes the one beside.</summary>
    public static async ValueTask InstallAsync(IBlockDevice data, IHeaderShelf shelf)
    {
        await using (IBlockDevice file = await shelf.OpenAsync(HeaderStage.Active, CancellationToken.None))
        {
            Luks2Copies made = await Luks2Copies.ReadAsync(file, CancellationToken.None);
            if (await StandingAsync(data, made) is { } standing)
            {
                // Without its first copy the image would be taken for a plain disk once there is no header beside it.
                await new Luks2Store(data, standing).BeginAsync(CancellationToken.None);
            }
            else
            {
                await RenewMovedAsync(data, file);
                long copy = made.Current.Binary.HeaderSize;
                await CopyAsync(file, 2 * copy, data, 2 * copy, file.Length - (2 * copy), CancellationToken.None);
                await data.FlushAsync(CancellationToken.None);
                await CopyAsync(file, copy, data, copy, copy, CancellationToken.None);
                await data.FlushAsync(CancellationToken.None);
                await CopyAsync(file, 0, data, 0, copy, CancellationToken.None);
                await data.FlushAsync(CancellationToken.None);
            }
        }

        shelf.Delete(HeaderStage.Active);
    }

    /// <summary>Copies a range between devices, or to a place of the same one that it does not touch.</summary>
    public static async ValueTask CopyAsync(
        IBlockDevice source, long from, IBlockDevice target, long to, long length, CancellationToken cancellationToken)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(length, CopyPiece), pinned: true);
        for (long at = 0; at < length; at += CopyPiece)
        {
            Memory<byte> piece = buffer.AsMemory(0, (int)Math.Min(CopyPiece, length - at));
            await source.ReadAsync(from + at, piece, cancellationToken);
            await target.WriteAsync(to + at, piece, cancellationToken);
        }

        System.Security.Cryptography.CryptographicOperations.ZeroMemory(buffer);
    }

    // Between the steps (4) and (5) the disk is still plain: who used it then has changed what step (3) copied.
    private static async ValueTask RenewMovedAsync(IBlockDevice data, IBlockDevice file)
    {
        Luks2Segment moved = (await Luks2ReencryptHeader.OpenAsync(file, CancellationToken.None)).Plan.Moved!;
        bool installing = false;
        bool changed = false;
        byte[][] pieces = [new byte[CopyPiece], new byte[CopyPiece], new byte[CopyPiece]];
        for (long at = 0; at < (long)moved.Size!.Value; at += CopyPiece)
        {
            int length = (int)Math.Min(CopyPiece, (long)moved.Size.Value - at);
            await data.ReadAsync(at, pieces[0].AsMemory(0, length), CancellationToken.None);
            await data.ReadAsync((long)moved.Offset + at, pieces[1].AsMemory(0, length), CancellationToken.None);
            await file.ReadAsync(at, pieces[2].AsMemory(0, length), CancellationToken.None);
            for (int sector = 0; sector < length; sector += Luks2Layout.SectorSize)
            {
                ReadOnlySpan<byte> now = pieces[0].AsSpan(sector, Luks2Layout.SectorSize);
                bool asMoved = now.SequenceEqual(pieces[1].AsSpan(sector, Luks2Layout.SectorSize));
                bool asHeader = now.SequenceEqual(pieces[2].AsSpan(sector, Luks2Layout.SectorSize));
                installing |= asHeader && !asMoved;
                changed |= !asHeader && !asMoved;
            }
        }

        if (changed && installing)
        {
            throw new RefusedException(ErrorIds.ImageChangedMeanwhile,
                "The first bytes of the image are neither those of the plain disk that were put aside nor those of its new header: somebody wrote to it.");
        }

        if (changed)
        {
            await CopyAsync(data, 0, data, (long)moved.Offset, (long)moved.Size!.Value, CancellationToken.None);
            await data.FlushAsync(CancellationToken.None);
        }
    }

    // Its key slots stand there before its copies do, so that one good copy is enough.
    private static async ValueTask<Luks2Copies?> StandingAsync(IBlockDevice data, Luks2Copies made)
    {
        try
        {
            Luks2Copies found = await Luks2Copies.ReadAsync(data, CancellationToken.None);
            return found.Current.Binary.Uuid.SequenceEqual(made.Current.Binary.Uuid) ? found : null;
        }
        catch (VmCryptException none) when (none is InvalidImageException or UnsupportedFeatureException)
        {
            return null;
        }
    }
}
