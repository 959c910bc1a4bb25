namespace VmCrypt.Core.Luks;

/// <summary>In which zones a payload is rewritten, and where their bytes lie; the same from the first zone to the last.</summary>
internal interface IZonePlan
{
    ReencryptionMode Mode { get; }

    /// <summary>Bytes that zones are multiples of, save the last.</summary>
    int Alignment { get; }

    /// <summary>Bytes of the part that is one zone, however long, because it lies aside; 0 for none.</summary>
    long MovedLength { get; }

    /// <summary>Where the old bytes of a zone lie on the device.</summary>
    long Source(PayloadZone zone);

    /// <summary>Where the new bytes of a zone lie on the device.</summary>
    long Target(PayloadZone zone);

    /// <summary>The zone after <paramref name="done"/> bytes of a payload of <paramref name="length"/>.</summary>
    PayloadZone Next(long done, long length, long longest);

    /// <summary>Bytes that are rewritten before <paramref name="zone"/> is.</summary>
    long DoneBefore(PayloadZone zone, long length);
}
