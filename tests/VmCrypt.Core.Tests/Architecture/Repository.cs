namespace VmCrypt.Core.Tests.Architecture;

/// <summary>The checkout that these tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "VmCrypt.slnx"))
        ? folder
        : Find(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside a checkout."));
}
