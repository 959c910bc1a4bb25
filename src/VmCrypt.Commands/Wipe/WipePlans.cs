using VmCrypt.Commands.Host;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Commands.Wipe;

/// <summary>Says what a wipe would do in the words of a confirmation.</summary>
internal static class WipePlans
{
    public static string Describe(WipePlan plan)
    {
        if (plan.DeleteOnly)
        {
            return "Delete without erasing, which is all that the policy allows";
        }

        string extents = plan.Target.ExtentCount is { } count ? $" in {count} extents" : string.Empty;
        string passes = Passes(plan.Standard, plan.Verify);
        string time = plan.EstimatedTime is { } estimate ? $", about {Duration(estimate)}" : string.Empty;
        string resume = plan.JournalPath is null ? string.Empty : ", going on where it stopped";
        string after = plan.After switch { AfterWipe.Delete => ", then deleted", AfterWipe.Trim => ", then trimmed", _ => string.Empty };
        string exceptions = string.Concat(plan.Findings.Where(finding => finding.Weight == FindingWeight.Exception).Select(finding => $" {finding.Text}"));
        return $"Wipe {ByteSize.Format(plan.Target.AllocatedBytes)}{extents} by {plan.Standard.Name} ({passes}{time}{resume}{after}){(exceptions.Length > 0 ? $". Mind:{exceptions}" : string.Empty)}";
    }

    public static string Describe(FreeSpaceRequest request, long bytes) =>
        $"Fill {ByteSize.Format(bytes)} of free space in its file system, wipe them by {request.Standard.Name} "
        + $"({Passes(request.Standard, request.Verify ?? request.Standard.Verify)}) and give them back";

    private static string Passes(WipeStandard standard, VerifyMode mode)
    {
        string verify = mode switch
        {
            VerifyMode.None => "not verified",
            VerifyMode.LastPass => "last pass verified",
            VerifyMode.AllPasses => "every pass verified",
            _ => "a sample verified",
        };
        string keys = standard.CryptoErase ? "key slots destroyed, " : string.Empty;
        return standard.Passes.Count switch
        {
            0 => keys.TrimEnd(',', ' '),
            1 => $"{keys}1 pass, {verify}",
            var several => $"{keys}{several} passes, {verify}",
        };
    }

    private static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => "a second",
        { TotalMinutes: < 2 } => $"{Math.Ceiling(time.TotalSeconds)} s",
        { TotalHours: < 2 } => $"{Math.Ceiling(time.TotalMinutes)} min",
        _ => $"{Math.Ceiling(time.TotalHours)} h",
    };
}
