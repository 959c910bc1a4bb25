using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>Texts for the views of VmCrypt.Format.ps1xml: each makes a line or several of one property.</summary>
public static class Display
{
    public static string? Size(long? bytes) => bytes is > 1023 ? $"{ByteSize.Format(bytes)} ({bytes} bytes)" : ByteSize.Format(bytes);

    public static string? Bits(long? bits) => bits is null ? null : $"{bits} bits";

    public static string Numbers(int[] numbers) => string.Join(", ", numbers);

    public static string? Header(LuksFacts? luks) => luks is null
        ? null
        : $"{luks.Version.ToString().ToUpperInvariant()}, {luks.Hash}, payload at {luks.PayloadOffset}, UUID {luks.Uuid}";

    public static string? Slots(LuksFacts? luks) =>
        luks is null ? null : Lines(luks.Slots.Where(slot => slot.IsActive).Select(slot =>
            $"{slot.Number}: {slot.Kdf} {slot.Hash}, {slot.Iterations} iterations" + (slot.MemoryKiB > 0 ? $", {ByteSize.Format(slot.MemoryKiB * 1024)}" : string.Empty)));

    public static string? Container(Qcow2Facts? qcow2) => qcow2 is null
        ? null
        : $"version {qcow2.Version}, clusters of {ByteSize.Format(qcow2.ClusterSize)}, {qcow2.RefcountBits}-bit refcounts"
            + (qcow2.ExtendedL2 ? ", extended L2" : string.Empty)
            + (qcow2.DataFile is { } data ? $", data in {data}" : string.Empty)
            + (qcow2.IsDirty ? ", not closed in order" : string.Empty)
            + (qcow2.IsCorrupt ? ", marked corrupt" : string.Empty);

    /// <summary>The backing chain, nearest first.</summary>
    public static string? Chain(ImageDescription? backing)
    {
        var links = new List<string>();
        for (ImageDescription? link = backing; link is not null; link = link.Backing)
        {
            links.Add($"{link.Path} ({link.Format}, {(link.IsEncrypted ? "encrypted" : "plain")})");
        }

        return Lines(links);
    }

    public static string? Snapshots(IReadOnlyList<Qcow2Snapshot> snapshots) =>
        Lines(snapshots.Select(snapshot => $"{snapshot.Id}: {snapshot.Name}, {snapshot.Taken.LocalDateTime:yyyy-MM-dd HH:mm:ss}, {ByteSize.Format(snapshot.DiskSize)}"));

    public static string? Weaknesses(IReadOnlyList<Weakness> weaknesses) => Lines(weaknesses.Select(weakness => weakness.Message));

    public static string? Reason(Exception? exception) => exception?.Message;

    private static string? Lines(IEnumerable<string> lines) => string.Join('\n', lines) is { Length: > 0 } text ? text : null;
}
