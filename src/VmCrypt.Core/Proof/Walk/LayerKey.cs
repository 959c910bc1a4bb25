using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>The cipher of a layer, and the number of the sector that stands at a place.</summary>
/// <param name="IvOffset">Added to sectors of the guest, in units of 512 bytes.</param>
/// <param name="OfHost">Sectors count from the start of the file, not of the disk.</param>
/// <param name="Slot">The key slot that was opened; null where none was.</param>
/// <param name="IsOwner">Disposes the cipher.</param>
internal sealed record LayerKey(SectorCipher Cipher, ulong IvOffset, bool OfHost, int? Slot, bool IsOwner) : IDisposable
{
    private const int IvUnit = 512;

    /// <summary>A digest knows the key: the legacy scheme has none.</summary>
    public bool IsProven { get; init; }

    public int SectorSize => Cipher.SectorSize;

    /// <summary>The number under which the first byte of the area is encrypted; null where the key says nothing of it.</summary>
    public ulong? SectorOf(in HostArea area)
    {
        bool stored = area.Use is HostUse.Data or HostUse.Snapshot || (OfHost && area.Use is HostUse.Unused or HostUse.Tail);
        long place = OfHost ? area.Offset : area.Guest;
        return stored && place >= 0 && place % SectorSize == 0 ? ((ulong)place / IvUnit) + IvOffset : null;
    }

    public void Dispose()
    {
        if (IsOwner)
        {
            Cipher.Dispose();
        }
    }
}
