using System.Globalization;
using VmCrypt.Core.Errors;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz;

/// <summary>
/// <c>dotnet run -c Release --project tests/fuzz -- target|all [-time seconds] [-runs N] [-seed N]</c>, or
/// <c>-- [target] -replay file</c> for one input.
/// </summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        string? Option(string name) => Array.IndexOf(arguments, name) is >= 0 and var at && at + 1 < arguments.Length ? arguments[at + 1] : null;
        string? replay = Option("-replay");
        string name = arguments is [['-', ..], ..] or [] ? Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(replay ?? "."))!) : arguments[0];
        IFuzzTarget[] targets = [.. FuzzTargets.All.Where(target => name == "all" || target.Name == name)];
        if (targets.Length == 0)
        {
            Console.Error.WriteLine($"Targets: all, {string.Join(", ", FuzzTargets.All.Select(target => target.Name))}.");
            return 2;
        }

        return replay is null ? Fuzz(targets, BudgetOf(Option)) : Replay(targets[0], replay);
    }

    private static Budget BudgetOf(Func<string, string?> option) => new(
        TimeSpan.FromSeconds(double.Parse(option("-time") ?? "60", CultureInfo.InvariantCulture)),
        long.Parse(option("-runs") ?? $"{long.MaxValue}", CultureInfo.InvariantCulture),
        int.Parse(option("-seed") ?? $"{Environment.TickCount & 0xffffff}", CultureInfo.InvariantCulture));

    private static int Fuzz(IFuzzTarget[] targets, Budget budget)
    {
        Console.WriteLine($"seed {budget.Seed}");
        int defects = 0;
        foreach (IFuzzTarget target in targets)
        {
            using var campaign = new Campaign(target, budget);
            defects += campaign.Run();
        }

        return defects == 0 ? 0 : 1;
    }

    private static int Replay(IFuzzTarget target, string file)
    {
        Exception? fault = null;
        Defect? defect = Trial.Run(target, Corpus.InputOf(target, file), new Trace(), outcome => fault = outcome);
        Console.WriteLine(defect is not null ? $"DEFECT {defect.Key}\n{defect.Report}"
            : fault is VmCryptException refusal ? $"{target.Name} refuses it: {refusal.ErrorId}. {refusal.Message}"
            : $"{target.Name} takes it.");
        return defect is null ? 0 : 1;
    }
}
