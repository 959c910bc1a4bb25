using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>The journal of a qcow2 file under conversion, for who has its keys.</summary>
/// <remarks>
/// A record and the state that calls its zone hot go to the medium by one flush, before the zone is written: a hot zone whose record
/// is not there has not been begun. The record is overwritten only when the state that calls its zone done is on the medium.
/// </remarks>
internal sealed class Qcow2Journal : IZoneJournal
{
    private readonly IBlockDevice _file;
    private readonly ConversionJournal _journal;
    private readonly Qcow2Keys _keys;
    private readonly PayloadPosition _position;
    private byte[] _recordHash = new byte[SHA256.HashSizeInBytes];

    private Qcow2Journal(IBlockDevice file, ConversionJournal journal, Qcow2Keys keys, PayloadPosition position)
    {
        (_file, _journal, _keys, _position) = (file, journal, keys, position);
        Plan = new Qcow2ZonePlan((ReencryptionMode)journal.State.Mode);
    }

    public IZonePlan Plan { get; }

    /// <param name="file">The image.</param>
    /// <param name="journal">Its journal.</param>
    /// <param name="keys">Borrowed.</param>
    /// <param name="protection">Of its zones.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ConversionUnproven"/>, <see cref="ErrorIds.Qcow2ConversionInvalid"/>.</exception>
    public static async ValueTask<Qcow2Journal> OpenAsync(
        IBlockDevice file, ConversionJournal journal, Qcow2Keys keys, ZoneProtection protection, CancellationToken cancellationToken)
    {
        ConversionState state = journal.State;
        if (!keys.Prove(state))
        {
            throw new InvalidImageException(ErrorIds.Qcow2ConversionUnproven,
                "The journal of the conversion is not what its keys prove: it was changed by somebody who does not have them.");
        }

        if (state.HotLength > protection.Capacity || state.HotLength % Qcow2ZonePlan.Sector != 0)
        {
            throw new InvalidImageException(ErrorIds.Qcow2ConversionInvalid,
                $"The journal of the conversion calls a zone of {state.HotLength} bytes hot; it can protect {protection.Capacity}.");
        }

        byte[] record = new byte[protection.RecordLength(state.HotLength)];
        await file.ReadAsync(journal.RecordOffset, record, cancellationToken);
        bool begun = state.HotLength > 0 && SHA256.HashData(record).AsSpan().SequenceEqual(state.RecordHash);
        return new Qcow2Journal(file, journal, keys,
            new PayloadPosition(state.Done, begun ? new PayloadZone(state.HotOffset, state.HotLength) : null));
    }

    public PayloadPosition Position(long length) => _position;

    // The state that was read is sound, and the next one is written over the other.
    public ValueTask BeginAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask ProtectAsync(ReadOnlyMemory<byte> record)
    {
        await _file.WriteAsync(_journal.RecordOffset, record, CancellationToken.None);
        _recordHash = SHA256.HashData(record.Span);
    }

    public ValueTask ReadProtectionAsync(long offset, Memory<byte> record, CancellationToken cancellationToken) =>
        _file.ReadAsync(_journal.RecordOffset + offset, record, cancellationToken);

    public ValueTask CommitAsync(long length, PayloadPosition position) => CommitAsync(_journal.State with
    {
        Done = position.Done,
        HotOffset = position.Hot?.Offset ?? 0,
        HotLength = position.Hot?.Length ?? 0,
        RecordHash = _recordHash,
    });

    public ValueTask FinishAsync(long length) =>
        CommitAsync(_journal.State with { Done = length, HotOffset = 0, HotLength = 0, IsFinished = true });

    private ValueTask CommitAsync(ConversionState next) => _journal.CommitAsync(_keys.Seal(next with { Sequence = next.Sequence + 1 }));
}
