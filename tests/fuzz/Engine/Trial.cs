using System.Diagnostics;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Fuzz.Engine;

/// <summary>Runs one input and judges what came of it.</summary>
internal static class Trial
{
    /// <summary>Processor time that one input may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>What one input may allocate, kept or not.</summary>
    private const long MaxAllocatedBytes = 256L * 1024 * 1024;

    /// <summary>The defect that the input brings to light; null if it was used, or refused in the way that the house has for that.</summary>
    public static Defect? Run(IFuzzTarget target, byte[] input, Trace trace, Action<Exception?>? outcome = null)
    {
        TimeSpan start = ThreadClock.Now;
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        Exception? fault = null;
        try
        {
            target.Run(input, trace);
        }
#pragma warning disable CA1031 // what is no refusal is what we are looking for
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
        TimeSpan spent = ThreadClock.Now - start;
        Note(trace, fault);
        outcome?.Invoke(fault);
        return fault is not (null or VmCryptException or OperationCanceledException) ? Defect.Of(fault)
            : spent > Patience ? new Defect("hang", $"The input took {spent.TotalSeconds:0.0} s.")
            : allocated > MaxAllocatedBytes ? new Defect("memory", $"The input made the parser allocate {allocated / 1_000_000} MB.")
            : null;
    }

    private static void Note(Trace trace, Exception? fault)
    {
        if (fault is VmCryptException refusal)
        {
            trace.Note(refusal.ErrorId, ShapeOf(refusal.Message));
        }
        else
        {
            trace.Note(fault?.GetType().Name ?? "accepted");
        }
    }

    /// <summary>One of a few numbers for the sentence without what it quotes and counts: a rule has several reasons to refuse.</summary>
    private static long ShapeOf(string message)
    {
        bool quoted = false;
        int shape = 0;
        foreach (char sign in message)
        {
            quoted ^= sign == '\'';
            shape = quoted || !char.IsAsciiLetter(sign) ? shape : (shape * 31) + sign;
        }

        return 1L << (shape & 31);
    }
}

/// <summary>Something that no input may cause.</summary>
/// <param name="Key">The same for all inputs that show the same defect.</param>
internal sealed record Defect(string Key, string Report)
{
    private const int FramesInKey = 2;

    public static Defect Of(Exception fault)
    {
        IEnumerable<string> frames = new StackTrace(fault).GetFrames()
            .Select(frame => frame.GetMethod())
            .Where(method => method?.DeclaringType?.FullName?.StartsWith("VmCrypt.Core", StringComparison.Ordinal) == true)
            .Select(method => $"{method!.DeclaringType!.FullName}.{method.Name}")
            .Take(FramesInKey);
        // The first sentence says what is wrong, the rest where.
        string name = fault is DefectException ? fault.Message.Split('.')[0] : fault.GetType().Name;
        return new Defect(string.Join(" < ", [name, .. frames]), fault.ToString());
    }
}
