using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>The only writer of key slots. It writes one slot's 48 bytes and never the rest of the header.</summary>
/// <remarks>
/// <para>Filling a slot: (1) key material, then the entry, still inactive; flush; (2) the entry's state; flush.</para>
/// <para>Emptying a slot: (1) the entry's state, flush; (2) the entry without salt and iterations, flush; (3) random bytes over
/// the key material, flush, 40 times. The state goes first so that no slot that cannot be opened counts as one that may remain.</para>
/// <para>The four bytes of a state lie in one sector, so that a crash leaves the old or the new one: an inactive slot over whatever,
/// or an active one that is complete. Other slots are never touched. Nothing is cancelled between the writes of an entry.</para>
/// </remarks>
internal sealed class Luks1Writer(IBlockDevice area)
{
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

    public async ValueTask FillAsync(int number, Luks1Slot slot, ReadOnlyMemory<byte> material, CancellationToken cancellationToken)
    {
        await area.WriteAsync(slot.MaterialOffset, material, cancellationToken);
        await WriteEntryAsync(number, slot with { State = Luks1Slot.Inactive });
        await WriteStateAsync(number, slot);
    }

    public async ValueTask EmptyAsync(int number, Luks1Slot emptied)
    {
        await WriteStateAsync(number, emptied);
        await WriteEntryAsync(number, emptied);
    }

    /// <summary>Writes the entries of all slots at once; they lie in two sectors.</summary>
    public async ValueTask WriteEntriesAsync(Luks1Header header)
    {
        int start = Luks1Header.SlotOffset(0);
        await area.WriteAsync(start, header.ToBytes().AsMemory(start), CancellationToken.None);
        await area.FlushAsync(CancellationToken.None);
    }

    private async ValueTask WriteStateAsync(int number, Luks1Slot slot)
    {
        await area.WriteAsync(Luks1Header.SlotOffset(number), Bytes(slot).AsMemory(0, sizeof(uint)), CancellationToken.None);
        await area.FlushAsync(CancellationToken.None);
    }

    private async ValueTask WriteEntryAsync(int number, Luks1Slot slot)
    {
        await area.WriteAsync(Luks1Header.SlotOffset(number), Bytes(slot), CancellationToken.None);
        await area.FlushAsync(CancellationToken.None);
    }

    private static byte[] Bytes(Luks1Slot slot)
    {
        byte[] bytes = new byte[Luks1Slot.Size];
        slot.WriteTo(bytes);
        return bytes;
    }
}
