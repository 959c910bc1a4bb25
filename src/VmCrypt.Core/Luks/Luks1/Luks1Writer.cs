using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>The only writer of key slots. It writes one slot's 48 bytes and never the rest of the header.</summary>
/// <remarks>
/// <para>Filling a slot: (1) key material into the area of an inactive slot, flush; (2) the slot's entry, flush. A crash before or
/// in (1) leaves an inactive slot over random bytes; in (2) the old entry, the new one, or (slot 6, which crosses a sector)
/// an active slot that no passphrase opens; other slots are never touched.</para>
/// <para>Emptying a slot: (1) the entry without salt, flush; (2) random bytes over the material, flush, 40 times. A crash after (1)
/// leaves an inactive slot whose material cannot be decrypted for want of its salt. The entry goes first so that no slot
/// that cannot be opened counts as the one that may remain.</para>
/// </remarks>
internal sealed class Luks1Writer(IBlockDevice area)
{
    /// <summary>As many as QEMU makes; it flushes once at the end, so that a page cache may merge them.</summary>
    public const int ErasePasses = 40;

    /// <summary>Refuses to go on from what is not on the medium any more.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderChanged"/>.</exception>
    public async ValueTask RequireUnchangedAsync(Luks1Header known, CancellationToken cancellationToken)
    {
        Luks1Header stored = await Luks1Header.ReadAsync(area, cancellationToken);
        if (!stored.ToBytes().AsSpan().SequenceEqual(known.ToBytes()))
        {
            throw new DeviceBusyException(ErrorIds.LuksHeaderChanged,
                "The LUKS header was changed by somebody else since it was opened; open it again.");
        }
    }

    public async ValueTask WriteMaterialAsync(Luks1Slot slot, ReadOnlyMemory<byte> material, CancellationToken cancellationToken)
    {
        await area.WriteAsync(slot.MaterialOffset, material, cancellationToken);
        await area.FlushAsync(cancellationToken);
    }

    public async ValueTask WriteEntryAsync(int number, Luks1Slot slot, CancellationToken cancellationToken)
    {
        byte[] entry = new byte[Luks1Slot.Size];
        slot.WriteTo(entry);
        await area.WriteAsync(Luks1Header.SlotOffset(number), entry, cancellationToken);
        await area.FlushAsync(cancellationToken);
    }

    public async ValueTask EraseMaterialAsync(Luks1Slot slot, int length, CancellationToken cancellationToken)
    {
        byte[] noise = new byte[length];
        for (int pass = 0; pass < ErasePasses; pass++)
        {
            RandomNumberGenerator.Fill(noise);
            await WriteMaterialAsync(slot, noise, cancellationToken);
        }
    }
}
