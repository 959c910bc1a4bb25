using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>The journal of a conversion, in clusters of the file to which nothing else refers.</summary>
/// <remarks>From its start: two sectors of state (4096 bytes each), the header cluster before, that after, the record of the zone at work.</remarks>
internal sealed class ConversionJournal
{
    private const int SlotSize = 4096;
    private const int Slots = 2;

    private readonly IBlockDevice _file;
    private readonly ConversionPointer _place;
    private readonly int _clusterSize;

    private ConversionJournal(IBlockDevice file, ConversionPointer place, int clusterSize, ConversionState state)
    {
        (_file, _place, _clusterSize) = (file, place, clusterSize);
        State = state;
    }

    public ConversionState State { get; private set; }

    public ConversionPointer Place => _place;

    /// <summary>Where the record of the zone at work lies in the file.</summary>
    public long RecordOffset => _place.Offset + RecordStart(_clusterSize);

    public long RecordCapacity => _place.Length - RecordStart(_clusterSize);

    /// <summary>Bytes of a journal with room for a record.</summary>
    public static long LengthFor(int clusterSize, long record) => RecordStart(clusterSize) + record;

    /// <summary>Writes a journal to which nothing refers yet; on the medium when this returns.</summary>
    public static async ValueTask<ConversionJournal> CreateAsync(
        IBlockDevice file, ConversionPointer place, byte[] before, byte[] after, ConversionState state, CancellationToken cancellationToken)
    {
        byte[] start = new byte[RecordStart(before.Length)];
        state.Encode().CopyTo(start, 0);
        before.CopyTo(start, Slots * SlotSize);
        after.CopyTo(start, (Slots * SlotSize) + before.Length);
        await file.WriteAsync(place.Offset, start, cancellationToken);
        await file.FlushAsync(cancellationToken);
        return new ConversionJournal(file, place, before.Length, state);
    }

    /// <summary>Reads the journal of a file whose header points to it.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ConversionInvalid"/>.</exception>
    public static async ValueTask<ConversionJournal> OpenAsync(IBlockDevice file, ConversionPointer place, CancellationToken cancellationToken)
    {
        byte[] sector = new byte[ConversionPointer.SectorSize];
        await file.ReadAsync(0, sector, cancellationToken);
        int clusterSize = Qcow2Validator.CheckGeometry(Qcow2Header.Parse(sector)).ClusterSize;
        bool lies = place.Offset >= clusterSize && place.Length > RecordStart(clusterSize) && place.Length <= file.Length
            && place.Offset <= file.Length - place.Length && ((place.Offset | place.Length) & (clusterSize - 1)) == 0;
        ConversionState? state = lies ? await ReadStateAsync(file, place, cancellationToken) : null;
        if (state is null || !IsSound(state, file.Length, clusterSize))
        {
            throw new InvalidImageException(ErrorIds.Qcow2ConversionInvalid,
                "The image is in the middle of a conversion in its place, but its journal is damaged.");
        }

        return new ConversionJournal(file, place, clusterSize, state);
    }

    /// <summary>The header clusters before and after.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ConversionInvalid"/>.</exception>
    public async ValueTask<(byte[] Before, byte[] After)> ReadHeadersAsync(CancellationToken cancellationToken)
    {
        byte[] before = new byte[_clusterSize];
        byte[] after = new byte[_clusterSize];
        await _file.ReadAsync(_place.Offset + (Slots * SlotSize), before, cancellationToken);
        await _file.ReadAsync(_place.Offset + (Slots * SlotSize) + _clusterSize, after, cancellationToken);
        return HashOf(before, after).AsSpan().SequenceEqual(State.HeadersHash)
            ? (before, after)
            : throw new InvalidImageException(ErrorIds.Qcow2ConversionInvalid, "The journal of the conversion does not have the headers that it speaks of.");
    }

    public static byte[] HashOf(byte[] before, byte[] after) => SHA256.HashData([.. before, .. after]);

    /// <summary>Writes the next state over the one before the last; on the medium, with all that was written before, when this returns.</summary>
    public async ValueTask CommitAsync(ConversionState next)
    {
        await _file.WriteAsync(SlotAt(_place, next.Sequence), next.Encode(), CancellationToken.None);
        await _file.FlushAsync(CancellationToken.None);
        State = next;
    }

    private static int RecordStart(int clusterSize) => (Slots * SlotSize) + (2 * clusterSize);

    private static long SlotAt(ConversionPointer place, ulong sequence) => place.Offset + ((long)(sequence % Slots) * SlotSize);

    private static async ValueTask<ConversionState?> ReadStateAsync(IBlockDevice file, ConversionPointer place, CancellationToken cancellationToken)
    {
        ConversionState? last = null;
        byte[] sector = new byte[ConversionPointer.SectorSize];
        for (ulong slot = 0; slot < Slots; slot++)
        {
            await file.ReadAsync(SlotAt(place, slot), sector, cancellationToken);
            last = ConversionState.TryParse(sector) is { } state && (last is null || state.Sequence > last.Sequence) ? state : last;
        }

        return last;
    }

    private static bool IsSound(ConversionState state, long fileLength, int clusterSize)
    {
        return state.End >= clusterSize && state.End <= fileLength && state.Done >= 0 && state.Done <= state.End
            && state.HotOffset >= 0 && state.HotLength >= 0 && state.HotLength <= state.End && state.HotOffset <= state.End - state.HotLength
            && state.Mode <= 2 && state.Resilience <= 1 && Lies(state.Before) && Lies(state.After);

        bool Lies(Qcow2EncryptionHeader? area) => area is not { } place
            || (place.Offset >= clusterSize && place.Offset % clusterSize == 0 && place.Length is > 0 and <= Qcow2Limits.MaxEncryptionHeaderBytes
                && place.Offset <= fileLength - place.Length);
    }
}
