using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>What must hold in a LUKS1 header before anything is allocated, sought or derived from it.</summary>
/// <remarks>
/// Refuses what QEMU or cryptsetup refuses, in inactive slots too. More lenient than QEMU in two points where cryptsetup is:
/// slots may start right behind the header (cryptsetup 1.0), and a detached header needs no payload offset.
/// </remarks>
internal static class Luks1Validator
{
    /// <summary>First sector behind the 592 bytes of the header.</summary>
    private const uint FirstFreeSector = 2;

    public static void Validate(in Luks1Header header, long areaLength, LuksPlacement placement)
    {
        ValidateVolumeKey(header);
        ValidatePayload(header, areaLength, placement);
        for (int slot = 0; slot < header.Slots.Length; slot++)
        {
            ValidateSlot(header, slot, areaLength, placement);
        }

        ValidateNoOverlap(header);
    }

    private static void ValidateVolumeKey(in Luks1Header header)
    {
        if (header.KeyBytes is < 1 or > Luks1Layout.MaxKeyBytes)
        {
            throw Invalid(ErrorIds.Luks1KeyBytesInvalid,
                $"The volume key has {header.KeyBytes} bytes, but must have 1 to {Luks1Layout.MaxKeyBytes}.");
        }

        if (header.DigestIterations == 0)
        {
            throw Invalid(ErrorIds.Luks1DigestIterationsInvalid, "The digest of the volume key has 0 iterations, but must have at least 1.");
        }

        RefuseCost(header.DigestIterations, "The digest of the volume key");
    }

    private static void ValidatePayload(in Luks1Header header, long areaLength, LuksPlacement placement)
    {
        bool elsewhere = placement == LuksPlacement.Embedded || (placement == LuksPlacement.Detached && header.PayloadOffsetSectors == 0);
        if (elsewhere)
        {
            return;
        }

        if (header.PayloadOffsetSectors < FirstFreeSector)
        {
            throw Invalid(ErrorIds.Luks1PayloadOffsetInvalid,
                $"The payload starts at sector {header.PayloadOffsetSectors}, inside the header; an attached one starts at {FirstFreeSector} or later.");
        }

        if (placement == LuksPlacement.Attached && header.PayloadOffset > areaLength)
        {
            throw Invalid(ErrorIds.LuksPayloadBeyondEnd,
                $"The payload starts at byte {header.PayloadOffset}, but the device has only {areaLength} bytes.");
        }
    }

    private static void ValidateSlot(in Luks1Header header, int number, long areaLength, LuksPlacement placement)
    {
        Luks1Slot slot = header.Slots[number];
        if (slot.State is not (Luks1Slot.Active or Luks1Slot.Inactive))
        {
            throw Invalid(ErrorIds.Luks1SlotStateInvalid,
                $"Key slot {number} has the state 0x{slot.State:X8}, but must have 0x{Luks1Slot.Active:X8} or 0x{Luks1Slot.Inactive:X8}.");
        }

        if (slot.Stripes != Luks1Layout.Stripes)
        {
            throw Invalid(ErrorIds.Luks1StripesInvalid,
                $"Key slot {number} has {slot.Stripes} stripes, but must have {Luks1Layout.Stripes}.");
        }

        if (slot.IsActive && slot.Iterations == 0)
        {
            throw Invalid(ErrorIds.Luks1SlotIterationsInvalid, $"Key slot {number} has 0 iterations, but must have at least 1.");
        }

        if (slot.IsActive)
        {
            RefuseCost(slot.Iterations, $"Key slot {number}");
        }

        ValidateArea(header, number, areaLength, placement);
    }

    private static void ValidateArea(in Luks1Header header, int number, long areaLength, LuksPlacement placement)
    {
        long start = header.Slots[number].MaterialOffsetSectors;
        long end = start + Luks1Layout.MaterialSectors(header.KeyBytes);
        if (start < FirstFreeSector)
        {
            throw Invalid(ErrorIds.Luks1SlotInHeader,
                $"The key material of slot {number} starts at sector {start}, inside the header; it must start at {FirstFreeSector} or later.");
        }

        if (placement != LuksPlacement.Embedded && header.PayloadOffsetSectors != 0 && end > header.PayloadOffsetSectors)
        {
            throw Invalid(ErrorIds.Luks1SlotInPayload,
                $"The key material of slot {number} ends at sector {end}, behind the start of the payload at sector {header.PayloadOffsetSectors}.");
        }

        if (end > areaLength / Luks1Layout.SectorSize)
        {
            throw Invalid(ErrorIds.Luks1SlotBeyondEnd,
                $"The key material of slot {number} ends at sector {end}, but the device has only {areaLength / Luks1Layout.SectorSize} sectors.");
        }
    }

    private static void ValidateNoOverlap(in Luks1Header header)
    {
        long length = Luks1Layout.MaterialSectors(header.KeyBytes);
        var byStart = header.Slots.Select((slot, number) => (Start: (long)slot.MaterialOffsetSectors, Number: number)).Order().ToList();
        for (int i = 1; i < byStart.Count; i++)
        {
            if (byStart[i].Start < byStart[i - 1].Start + length)
            {
                throw Invalid(ErrorIds.Luks1SlotsOverlap,
                    $"The key material of slot {byStart[i].Number} starts at sector {byStart[i].Start}, inside that of slot {byStart[i - 1].Number}.");
            }
        }
    }

    private static void RefuseCost(uint iterations, string owner)
    {
        if (iterations > KdfCost.MaxIterations)
        {
            throw new UnsupportedFeatureException(ErrorIds.KdfCostTooHigh,
                $"{owner} has {iterations} iterations, but at most {KdfCost.MaxIterations} are allowed.");
        }
    }

    private static InvalidImageException Invalid(string errorId, string message) => new(errorId, message);
}
