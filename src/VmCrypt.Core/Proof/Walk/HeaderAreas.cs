using VmCrypt.Core.Images;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>What the bytes of a LUKS header are for, and which of a guest's bytes are such.</summary>
internal static class HeaderAreas
{
    private const int Sector = 512;

    // All that LUKS1 has before its key material.
    private const int Luks1Bytes = 1024;

    /// <summary>The header at <paramref name="start"/> of a file, up to <paramref name="length"/> bytes later.</summary>
    public static IEnumerable<HostArea> Of(LuksHeader header, long start, long length)
    {
        long copies = header.CopyLength > 0 ? 2 * header.CopyLength : Luks1Bytes;
        // How much of its area a slot with a key of its own fills, nobody says: it is looked at as room.
        IEnumerable<HostArea> slots = header.Slots.Where(slot => slot.IsActive && slot.IsBound).Select(slot =>
            new HostArea(slot.AreaOffset, Math.Min(slot.AreaLength, WholeSectors(header.Payload.KeySize * slot.Stripes)), HostUse.KeyMaterial));
        return HostAreas.Complete(slots.Prepend(new HostArea(0, copies, HostUse.EncryptionHeader)), length)
            .Select(area => area with { Offset = start + area.Offset, Use = area.Use == HostUse.Tail ? HostUse.Unused : area.Use });
    }

    /// <summary>A file that is header and payload, one behind the other.</summary>
    public static IEnumerable<HostArea> WithPayload(LuksHeader header, bool detached, long length)
    {
        LuksPayload payload = header.Payload;
        long whole = Math.Clamp(payload.Length ?? long.MaxValue, 0, Math.Max(0, length - payload.Offset)) & -payload.SectorSize;
        HostArea[] rest =
        [
            new(payload.Offset, whole, HostUse.Data, 0),
            new(payload.Offset + whole, length - payload.Offset - whole, HostUse.Tail),
        ];
        IEnumerable<HostArea> front = detached ? [] : Of(header, 0, Math.Min(payload.Offset, length));
        return HostAreas.Fill(front.Concat(rest.Where(area => area.Length > 0)), length);
    }

    /// <summary>Areas of a container whose guest sees a LUKS header and its payload: the same, with guest offsets of the payload.</summary>
    public static IEnumerable<HostArea> Through(LuksHeader header, IEnumerable<HostArea> container)
    {
        HostArea[] front = [.. Of(header, 0, header.Payload.Offset)];
        foreach (HostArea area in container)
        {
            if (area.Guest < 0 || area.Guest >= header.Payload.Offset)
            {
                yield return area.Guest < 0 ? area : area with { Guest = area.Guest - header.Payload.Offset };
                continue;
            }

            foreach (HostArea part in Split(area, front, header.Payload.Offset))
            {
                yield return part;
            }
        }
    }

    private static IEnumerable<HostArea> Split(HostArea area, HostArea[] front, long payload)
    {
        // A compressed cluster is not cut: its bytes are not those of the guest one by one.
        if (area.Use == HostUse.Compressed)
        {
            yield return area with { Guest = -1 };
            yield break;
        }

        foreach (HostArea role in front)
        {
            long from = Math.Max(area.Guest, role.Offset);
            long to = Math.Min(area.Guest + area.Length, role.End);
            if (from < to)
            {
                yield return new HostArea(area.Offset + from - area.Guest, to - from, role.Use);
            }
        }

        if (area.Guest + area.Length > payload)
        {
            yield return area.From(payload - area.Guest) with { Guest = 0 };
        }
    }

    private static long WholeSectors(long bytes) => (bytes + Sector - 1) & -Sector;
}
