using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>Of a qcow2 file: every zone is a part of the file, rewritten where it lies, from the file's start on.</summary>
internal sealed class Qcow2ZonePlan(ReencryptionMode mode) : IZonePlan
{
    public const int Sector = 512;

    public ReencryptionMode Mode => mode;

    public int Alignment => Sector;

    public long MovedLength => 0;

    public long Source(PayloadZone zone) => zone.Offset;

    public long Target(PayloadZone zone) => zone.Offset;

    public PayloadZone Next(long done, long length, long longest) => new(done, Math.Min(longest, length - done));

    public long DoneBefore(PayloadZone zone, long length) => zone.Offset;
}
