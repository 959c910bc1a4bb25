using VmCrypt.Core.Audit;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Results of wipes that never ran, for certificates.</summary>
internal static class SampleWipes
{
    public static WipeResult Result(string standard = "DoD", WipeStatus status = WipeStatus.ErasedWithExceptions, int findings = 2)
    {
        var start = new DateTimeOffset(2026, 3, 1, 8, 30, 0, TimeSpan.Zero);
        WipeStandard passes = WipeStandards.BuiltIn[standard];
        var map = new RangeMap([new ByteRange(0, 12L << 30), new ByteRange(20L << 30, 3L << 30)]);
        return new WipeResult
        {
            Target = new MediumFacts
            {
                Kind = TargetKind.File,
                Path = "/srv/vm/web <script>alert('1')</script> & \"ü\".qcow2",
                Length = 40L << 30,
                AllocatedBytes = map.TotalBytes,
                ExtentCount = 17,
                FileSystem = new FileSystemFacts("ext4", "/srv", "/dev/sda2", StorageNature.InPlace),
                Disk = new DiskFacts { Name = "sda2", Disk = "sda", Model = "Slow One 4000", Serial = "S-123", Rotational = true },
            },
            Status = status,
            Standard = passes,
            Verify = VerifyMode.LastPass,
            Passes = [.. passes.Passes.Select((pass, index) => new PassReport
            {
                Number = index + 1,
                Content = pass.ToString(),
                Started = start.AddMinutes(index),
                Finished = start.AddMinutes(index + 1),
                WrittenBytes = map.TotalBytes,
                WriteSeconds = 54.5,
                VerifiedBytes = index + 1 == passes.Passes.Count ? map.TotalBytes : 0,
            })],
            Findings = [.. Enumerable.Range(0, findings).Select(i => new WipeFinding(
                FindingKind.Unwritable, i == 0 ? FindingWeight.Exception : FindingWeight.Note, $"{512 * i} bytes could not be written and keep what they held, in a sentence of some length.")
            {
                Bytes = 512,
                Ranges = [new ByteRange(i << 20, 512)],
            })],
            Started = start,
            Finished = start.AddHours(2),
            Map = DiskMap.Draw(40L << 30, map, [new ByteRange(1L << 30, 512)], 0, firstPass: false),
            Host = "kvm7",
            Operator = "root (sudo: alice)",
            Audit = new AuditReceipt(42, new string('a', 64)),
        };
    }
}
