namespace VmCrypt.Core.Tests.Architecture;

/// <summary>Texts that are made from the code and kept in the repository, so that a change of them is seen in review.</summary>
internal static class Approved
{
    /// <summary>Set to 1, the tests write the files instead of comparing them.</summary>
    private const string Switch = "VMCRYPT_UPDATE_DOCS";

    public static void Verify(string file, string actual)
    {
        string path = Path.Combine(Repository.Root, file);
        if (Environment.GetEnvironmentVariable(Switch) == "1")
        {
            File.WriteAllText(path, actual);
        }

        string approved = File.Exists(path) ? File.ReadAllText(path) : string.Empty;
        string[] lost = [.. approved.Split('\n').Except(actual.Split('\n'))];
        string[] added = [.. actual.Split('\n').Except(approved.Split('\n'))];
        Assert.True(approved == actual,
            $"{file} no longer says what the code does. If that is meant, run the tests with {Switch}=1 and commit it.\n"
            + $"- {string.Join("\n- ", lost)}\n+ {string.Join("\n+ ", added)}");
    }
}
