using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Makes a LUKS2 header of a LUKS1 header, in its place.</summary>
/// <remarks>
/// <para>The two copies of the LUKS2 header take the first 32 KiB, where LUKS1 keeps the key material of its first slot. Steps:
/// (1) a slot that lies there is copied to a free one: key material, entry, flush; state, flush; read back; (2) the slot itself is
/// emptied: state, flush; entry, flush; (3) the second copy, flush; (4) the JSON area of the first copy, flush;
/// (5) the first sector, flush; (6) the whole first copy, flush; (7) random bytes over what is left of the slot's old material, flush.</para>
/// <para>Before (5) a crash leaves the LUKS1 header, in which all passphrases open; after (2) the moved one under another number.
/// From (5) on it leaves the LUKS2 header: until (6) has come to its end the rest of the old entries still stand in the first copy,
/// which its checksum covers, and in (6) there is the second copy. The payload is not touched.</para>
/// </remarks>
internal sealed class Luks1ToLuks2 : LuksConversion
{
    private const int CopySize = 0x4000;
    private const int Sector = Luks2Layout.SectorSize;

    private readonly IBlockDevice _area;
    private readonly LuksPlacement _placement;
    private readonly Luks1Writer _writer;
    private readonly Move[] _moves;
    private readonly Luks2Copy _copy;
    private Luks1Header _header;

    private Luks1ToLuks2(IBlockDevice area, Luks1Header header, LuksPlacement placement, Move[] moves, Luks2Copy copy)
    {
        _area = area;
        _header = header;
        _placement = placement;
        _writer = new Luks1Writer(area);
        _moves = moves;
        _copy = copy;
    }

    public override LuksVersion Target => LuksVersion.Luks2;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ConversionEmbedded"/>, <see cref="ErrorIds.ConversionMisaligned"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.NoActiveKeySlot"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConversionNoRoom"/>, <see cref="ErrorIds.ConversionForeignMetadata"/>.</exception>
    public static async ValueTask<LuksConversion> PlanAsync(
        IBlockDevice area, Luks1Header header, Luks1Terms terms, LuksPlacement placement, CancellationToken cancellationToken)
    {
        RequireConvertible(header, placement);
        await RefuseForeignMetadataAsync(area, header, cancellationToken);
        Move[] moves = [.. Moves(header)];
        (int Number, Luks1Slot Slot)[] slots = [.. Slots(header, moves)];
        long end = EndOfHeader(area, header);
        if (slots.Any(item => EndOf(header, item.Slot) > end))
        {
            throw NoRoom($"The header ends at byte {end}, before the whole pages that LUKS2 gives to a key slot.");
        }

        Luks2Copy copy = Copy(header, terms, slots, Math.Min(end - (2 * CopySize), Luks2Layout.MaxKeyslotsSize));
        return new Luks1ToLuks2(area, header, placement, moves, copy);
    }

    public override async ValueTask<LuksHeader> RunAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(_area);
        await _writer.RequireUnchangedAsync(_header, cancellationToken);
        foreach (Move move in _moves)
        {
            await MoveAsync(move);
        }

        await Luks2Store.WriteCopyAsync(_area, Secondary());
        await SwitchAsync();
        await Luks2Store.WriteCopyAsync(_area, _copy);
        foreach (Move move in _moves)
        {
            long start = Math.Max(move.From.MaterialOffset, 2 * CopySize);
            await LuksEraser.OverwriteOnceAsync(_area, start, move.From.MaterialOffset + Luks2Layout.AreaLength((int)_header.KeyBytes) - start, CancellationToken.None);
        }

        return await LuksHeader.OpenAsync(_area, new LuksOpenOptions { Placement = _placement }, CancellationToken.None);
    }

    private static void RequireConvertible(in Luks1Header header, LuksPlacement placement)
    {
        if (placement == LuksPlacement.Embedded)
        {
            throw new UnsupportedFeatureException(ErrorIds.ConversionEmbedded,
                "The header lies inside qcow2, which holds LUKS1 only; convert the image to LUKS2 over qcow2 or to a raw image instead.");
        }

        if (!header.Slots.Any(slot => slot.IsActive))
        {
            throw new MissingException(ErrorIds.NoActiveKeySlot, "The header has no active key slot; only the volume key opens the data.");
        }

        if (header.Slots.Any(slot => slot.MaterialOffset % Luks2Layout.AreaAlignment != 0))
        {
            throw new UnsupportedFeatureException(ErrorIds.ConversionMisaligned,
                "The key slots do not lie at multiples of 4096 bytes, as those of cryptsetup 1.0 did not; copy the disk to a new one instead.");
        }
    }

    // Where clevis keeps its tokens with LUKS1; nothing there would be understood or kept.
    private static async ValueTask RefuseForeignMetadataAsync(IBlockDevice area, Luks1Header header, CancellationToken cancellationToken)
    {
        byte[] magic = new byte["LUKSMETA"u8.Length];
        long end = header.Slots.Max(slot => EndOf(header, slot));
        if (end + magic.Length <= area.Length)
        {
            await area.ReadAsync(end, magic, cancellationToken);
        }

        if (magic.AsSpan().SequenceEqual("LUKSMETA"u8))
        {
            throw new RefusedException(ErrorIds.ConversionForeignMetadata,
                $"At byte {end} lies metadata of luksmeta (clevis), which the key slots of LUKS2 would overwrite; unbind it first.");
        }
    }

    /// <summary>What may become header: all in front of the payload, or a whole detached header.</summary>
    private static long EndOfHeader(IBlockDevice area, in Luks1Header header)
    {
        long end = header.PayloadOffsetSectors == 0 ? area.Length : Math.Min(header.PayloadOffset, area.Length);
        return end / Luks2Layout.AreaAlignment * Luks2Layout.AreaAlignment;
    }

    private static IEnumerable<Move> Moves(Luks1Header header)
    {
        var free = new Queue<int>(Numbers(header, slot => !slot.IsActive && slot.MaterialOffset >= 2 * CopySize));
        foreach (int number in Numbers(header, slot => slot.IsActive && slot.MaterialOffset < 2 * CopySize))
        {
            Luks1Slot slot = header.Slots[number];
            int? place = TwinOf(header, slot) ?? (free.TryDequeue(out int next) ? next : null);
            yield return place is { } taken
                ? new Move(number, slot, taken, slot with { MaterialOffsetSectors = header.Slots[taken].MaterialOffsetSectors })
                : throw NoRoom($"The key material of slot {number} lies where LUKS2 keeps its metadata, and all other slots are in use; remove one of them first.");
        }
    }

    // What a conversion left that was stopped between steps 1 and 2; nobody else gives two slots one salt.
    private static int? TwinOf(Luks1Header header, Luks1Slot slot) => Numbers(header, other =>
            other.IsActive && other.MaterialOffset >= 2 * CopySize && other.Iterations == slot.Iterations && other.Salt.AsSpan().SequenceEqual(slot.Salt.AsSpan()))
        .Select(number => (int?)number)
        .FirstOrDefault();

    private static IEnumerable<int> Numbers(Luks1Header header, Func<Luks1Slot, bool> which) =>
        Enumerable.Range(0, Luks1Layout.SlotCount).Where(number => which(header.Slots[number]));

    private static long EndOf(in Luks1Header header, Luks1Slot slot) => slot.MaterialOffset + Luks2Layout.AreaLength((int)header.KeyBytes);

    // Where the slots in use will lie.
    private static IEnumerable<(int Number, Luks1Slot Slot)> Slots(Luks1Header header, Move[] moves) =>
        Numbers(header, slot => slot.IsActive)
            .Where(number => moves.All(move => move.Place != number))
            .Select(number => (number, moves.FirstOrDefault(move => move.Number == number)?.To ?? header.Slots[number]));

    private static Luks2Copy Copy(Luks1Header header, Luks1Terms terms, (int Number, Luks1Slot Slot)[] slots, long keyslotsSize)
    {
        var proof = new Luks2Proof(terms.Hash, header.DigestIterations, [.. header.DigestSalt], [.. header.Digest]);
        var edit = new Luks2Edit(Luks2Edit.Blank(terms.Payload, CopySize, keyslotsSize, proof));
        foreach ((int number, Luks1Slot slot) in slots)
        {
            var derivation = new Luks2Pbkdf2(terms.Hash, slot.Iterations, [.. slot.Salt]);
            int keySize = terms.Payload.KeySize;
            edit.AddKeyslot(new Luks2Slot(number, terms.Payload.Cipher, keySize, terms.Hash, derivation, keySize, slot.MaterialOffset), digest: 0);
        }

        return new Luks2Copy(Binary(header), edit.Done());
    }

    private static Luks2BinaryHeader Binary(in Luks1Header header) => new()
    {
        IsSecondary = false,
        HeaderSize = CopySize,
        SequenceId = 1,
        Label = Luks2BinaryHeader.LabelOf(string.Empty),
        ChecksumAlgorithm = "sha256",
        Salt = Luks2BinaryHeader.FreshSalt(),
        Uuid = Luks2BinaryHeader.UuidOf(header.Uuid),
        Subsystem = Luks2BinaryHeader.LabelOf(string.Empty),
    };

    private Luks2Copy Secondary() => _copy with { Binary = _copy.Binary with { IsSecondary = true, Salt = Luks2BinaryHeader.FreshSalt() } };

    // Steps 1 and 2: for a moment both entries open.
    private async ValueTask MoveAsync(Move move)
    {
        byte[] material = new byte[KeyMaterial.Length((int)_header.KeyBytes)];
        await _area.ReadAsync(move.From.MaterialOffset, material, CancellationToken.None);
        await _writer.FillAsync(move.Place, move.To, material, CancellationToken.None);
        byte[] stored = new byte[material.Length];
        await _area.ReadAsync(move.To.MaterialOffset, stored, CancellationToken.None);
        if (!stored.AsSpan().SequenceEqual(material))
        {
            throw new DeviceFaultException(ErrorIds.LuksHeaderNotStored,
                $"The key material of slot {move.Number} was copied, but does not read back; the header is still LUKS1 and opens as before.");
        }

        await _writer.EmptyAsync(move.Number, move.From.Emptied());
        _header = _header.With(move.Place, move.To).With(move.Number, move.From.Emptied());
    }

    // Steps 4 and 5: LUKS1 reads its last entries from the second sector, so only the first one may switch.
    private async ValueTask SwitchAsync()
    {
        byte[] bytes = _copy.ToBytes();
        await _area.WriteAsync(Luks2Layout.BinarySize, bytes.AsMemory(Luks2Layout.BinarySize), CancellationToken.None);
        await _area.FlushAsync(CancellationToken.None);
        await _area.ReadAsync(Sector, bytes.AsMemory(Sector..Luks2Layout.BinarySize), CancellationToken.None);
        _copy.Binary.Seal(bytes);
        await _area.WriteAsync(0, bytes.AsMemory(0, Sector), CancellationToken.None);
        await _area.FlushAsync(CancellationToken.None);
    }

    private static RefusedException NoRoom(string message) => new(ErrorIds.ConversionNoRoom, message);

    /// <summary>A slot whose key material must leave, and the free slot that takes it.</summary>
    private sealed record Move(int Number, Luks1Slot From, int Place, Luks1Slot To);
}
