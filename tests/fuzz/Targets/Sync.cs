namespace VmCrypt.Fuzz.Targets;

/// <summary>Targets are called one at a time, on a thread that has nothing else to do.</summary>
internal static class Sync
{
    public static void Wait(Task task) => task.GetAwaiter().GetResult();
}
