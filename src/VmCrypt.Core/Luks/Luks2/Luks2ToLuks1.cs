using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Makes a LUKS1 header of a LUKS2 header, in its place.</summary>
/// <remarks>
/// <para>Key material stays where it lies; slots that are not in use get places between, which are not written. Steps: (1) a damaged copy
/// of the LUKS2 header is repaired; (2) the second sector, which ends the LUKS1 header, flush; (3) the first sector, flush; (4) zeros
/// over the rest of both LUKS2 copies, flush.</para>
/// <para>A crash before (3) leaves the second copy of the LUKS2 header, one after it the LUKS1 header. The payload is not touched.</para>
/// </remarks>
internal sealed class Luks2ToLuks1 : LuksConversion
{
    private const int Sector = Luks2Layout.SectorSize;

    private readonly IBlockDevice _area;
    private readonly LuksPlacement _placement;
    private readonly Luks2Store _store;
    private readonly Luks1Header _header;

    private Luks2ToLuks1(IBlockDevice area, LuksPlacement placement, Luks2Store store, Luks1Header header)
    {
        _area = area;
        _placement = placement;
        _store = store;
        _header = header;
        Losses = [.. LossesOf(store)];
    }

    public override LuksVersion Target => LuksVersion.Luks1;

    public override IReadOnlyList<string> Losses { get; }

    /// <exception cref="RefusedException">What LUKS1 does not have, each by an id of its own; <see cref="ErrorIds.ConversionNoRoom"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.NoActiveKeySlot"/>.</exception>
    public static Luks2ToLuks1 Plan(IBlockDevice area, Luks2Store store, Luks2Terms terms, LuksPlacement placement)
    {
        Luks2Metadata metadata = store.Metadata;
        if (metadata.Keyslots.IsEmpty)
        {
            throw new MissingException(ErrorIds.NoActiveKeySlot, "The header has no active key slot; only the volume key opens the data.");
        }

        Luks1Compatibility.Require(metadata, terms);
        Luks1Header header = HeaderOf(store, terms, Places(area, metadata, terms));
        Luks1Validator.Validate(header, area.Length, placement);
        return new Luks2ToLuks1(area, placement, store, header);
    }

    public override async ValueTask<LuksHeader> RunAsync(CancellationToken cancellationToken)
    {
        BlockGuard.Writable(_area);
        await _store.BeginAsync(cancellationToken);
        byte[] bytes = new byte[2 * (int)_store.Metadata.HeaderSize];
        _header.WriteTo(bytes);
        const int End = 2 * Sector;
        foreach (Range part in new[] { Sector..End, 0..Sector, End.. })
        {
            await _area.WriteAsync(part.Start.Value, bytes.AsMemory(part), CancellationToken.None);
            await _area.FlushAsync(CancellationToken.None);
        }

        LuksHeader converted = await LuksHeader.OpenAsync(_area, new LuksOpenOptions { Placement = _placement }, CancellationToken.None);
        return converted.Version == LuksVersion.Luks1
            ? converted
            : throw new DeviceFaultException(ErrorIds.LuksHeaderNotStored, "The LUKS1 header was written, but the device still returns the LUKS2 header.");
    }

    private static IEnumerable<string> LossesOf(Luks2Store store)
    {
        LuksFacts facts = Luks2Facts.Of(store.Binary, store.Metadata, store.Fault);
        if (facts.Label.Length + facts.Subsystem.Length > 0)
        {
            yield return $"The label '{facts.Label}' and subsystem '{facts.Subsystem}' are lost: LUKS1 has none.";
        }

        if (facts.Flags.Length > 0)
        {
            yield return $"The flags {string.Join(", ", facts.Flags)} are lost: LUKS1 has none.";
        }

        if (facts.Slots.Any(slot => slot.Priority != KeySlotPriority.Normal))
        {
            yield return "The priorities of key slots are lost: LUKS1 tries all of them in order.";
        }
    }

    /// <summary>The first sector of each of the eight slots' key material.</summary>
    private static long[] Places(IBlockDevice area, Luks2Metadata metadata, Luks2Terms terms)
    {
        LuksPayload payload = terms.Payload;
        long length = Luks2Layout.AreaLength(payload.KeySize);
        long end = payload.Offset == 0 ? area.Length : Math.Min(payload.Offset, area.Length);
        var taken = metadata.Keyslots.ToDictionary(slot => slot.Number, slot => (long)slot.Area.Offset);
        foreach (int free in Enumerable.Range(0, Luks1Layout.SlotCount).Where(number => !taken.ContainsKey(number)))
        {
            taken[free] = FindGap(taken.Values, length, end) ?? throw new RefusedException(ErrorIds.ConversionNoRoom,
                $"LUKS1 wants room for {Luks1Layout.SlotCount} key slots of {length} bytes, in use or not, but the header ends at byte {end}.");
        }

        return [.. taken.OrderBy(place => place.Key).Select(place => place.Value / Sector)];
    }

    private static long? FindGap(IEnumerable<long> taken, long length, long end)
    {
        // Where the first slot of LUKS1 begins everywhere.
        long start = Luks1Layout.SlotStartSectors(0, keyBytes: 0) * Sector;
        foreach (long offset in taken.Order())
        {
            if (offset - start >= length)
            {
                break;
            }

            start = offset + length;
        }

        return end - start >= length ? start : null;
    }

    private static Luks1Header HeaderOf(Luks2Store store, Luks2Terms terms, long[] places) => new()
    {
        CipherName = terms.Payload.Cipher.AlgorithmName,
        CipherMode = terms.Payload.Cipher.ModeName,
        HashSpec = HashKinds.NameOf(terms.Digest.Hash),
        PayloadOffsetSectors = (uint)(terms.Payload.Offset / Sector),
        KeyBytes = (uint)terms.Payload.KeySize,
        Digest = [.. terms.Digest.Value.AsSpan(0, Luks1Layout.DigestLength)],
        DigestSalt = [.. terms.Digest.Salt],
        DigestIterations = (uint)terms.Digest.Iterations,
        Uuid = LuksText.Label(store.Binary.Uuid.AsSpan()),
        Slots = [.. places.Select((place, number) => SlotOf(store.Metadata.Keyslot(number), (uint)place))],
    };

    private static Luks1Slot SlotOf(Luks2Keyslot? keyslot, uint place)
    {
        Luks2Pbkdf2? derivation = keyslot is null ? null : (Luks2Pbkdf2)Luks2Slot.Of(keyslot).Derivation;
        return new Luks1Slot
        {
            State = derivation is null ? Luks1Slot.Inactive : Luks1Slot.Active,
            Iterations = (uint)(derivation?.Iterations ?? 0),
            Salt = [.. derivation?.Salt ?? new byte[Luks1Layout.SaltLength]],
            MaterialOffsetSectors = place,
            Stripes = Luks1Layout.Stripes,
        };
    }
}
