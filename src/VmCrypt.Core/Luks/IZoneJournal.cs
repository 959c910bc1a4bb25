namespace VmCrypt.Core.Luks;

/// <summary>Tells after a crash how far a payload is rewritten, and recovers the zone that was at work. One call at a time.</summary>
internal interface IZoneJournal
{
    IZonePlan Plan { get; }

    /// <summary>How far a payload of <paramref name="length"/> bytes is.</summary>
    PayloadPosition Position(long length);

    /// <summary>Makes the journal sound, before the first zone.</summary>
    ValueTask BeginAsync(CancellationToken cancellationToken);

    /// <summary>Stores what recovers the zone that comes next; on the medium at the latest when that zone is told as hot.</summary>
    ValueTask ProtectAsync(ReadOnlyMemory<byte> record);

    /// <summary>Reads a part of what <see cref="ProtectAsync"/> stored.</summary>
    ValueTask ReadProtectionAsync(long offset, Memory<byte> record, CancellationToken cancellationToken);

    /// <summary>Tells how far the payload of <paramref name="length"/> bytes is; on the medium when this returns.</summary>
    ValueTask CommitAsync(long length, PayloadPosition position);

    /// <summary>Tells, in one change, that the whole payload is rewritten.</summary>
    ValueTask FinishAsync(long length);
}
