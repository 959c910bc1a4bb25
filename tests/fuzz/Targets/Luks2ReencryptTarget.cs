using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The metadata of a conversion in place that was interrupted: the plan, how far it is, and the way from there to the end.</summary>
internal sealed class Luks2ReencryptTarget : IFuzzTarget
{
    private const long HeaderSize = 0x4000;
    private const long DeviceLength = 64L << 20;
    private const long Longest = 8 << 20;

    public string Name => "luks2-reencrypt";

    public int MaxLength => 16 * 1024;

    public IReadOnlyList<byte[]> Words { get; } =
    [
        .. new Luks2JsonTarget().Words,
        .. Text.Words("\"datashift\"", "\"datashift-checksum\"", "\"checksum\"", "\"journal\"", "\"none\"", "\"forward\"", "\"backward\"", "\"shift_size\":\"16777216\"",
            "\"mode\":\"encrypt\"", "\"mode\":\"decrypt\"", "\"mode\":\"reencrypt\"", "\"backup-moved-segment\"", "online-reencrypt-v3", "\"sector_size\":512", "16777216", "4611686018427387904"),
    ];

    public byte[] FromSample(byte[] sample) => [.. sample, 0];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        Luks2Metadata metadata = Luks2Metadata.Parse(Luks2Json.Read(input));
        Luks2Validator.Validate(metadata, HeaderSize);
        _ = Luks2ReencryptPlan.Describe(metadata, DeviceLength);
        var plan = Luks2ReencryptPlan.Of(metadata);
        long length = plan.PayloadLength(DeviceLength);
        PayloadPosition position = Luks2ReencryptSegments.PositionOf(plan, metadata, length);
        trace.Note($"{plan.Course} {plan.Terms.Resilience} {position.Hot is not null}");
        Finish(plan, metadata, length, position.Done + (position.Hot?.Length ?? 0));
    }

    /// <summary>Each step is told by its own segments, and no zone is written where another one still has its source.</summary>
    private static void Finish(Luks2ReencryptPlan plan, Luks2Metadata metadata, long length, long done)
    {
        long longest = Math.Max(Longest / plan.Alignment * plan.Alignment, plan.Alignment);
        for (int steps = 0; done < length && steps < 64; steps++)
        {
            PayloadZone zone = plan.Next(done, length, longest);
            DefectException.Unless(zone.Length > 0 && zone.Offset >= 0 && zone.End <= length, "A zone lies outside of the payload.");
            DefectException.Unless(plan.DoneBefore(zone, length) == done, "A zone is not the next one.");
            foreach (PayloadPosition told in new[] { new PayloadPosition(done), new PayloadPosition(done, zone) })
            {
                Luks2Metadata at = new Luks2Edit(metadata).SetSegments(Luks2ReencryptSegments.At(plan, length, told)).Done();
                DefectException.Unless(Luks2ReencryptSegments.PositionOf(plan, at, length) == told, "A step is told as another one.");
            }

            done += zone.Length;
        }
    }
}
