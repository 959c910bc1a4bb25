namespace VmCrypt.Core.Audit;

/// <summary>Who acts, and where, as audit entries and certificates name it.</summary>
public static class Operator
{
    /// <summary>The user; behind sudo also the one who called it.</summary>
    public static string Name
    {
        get
        {
            string user = User;
            string? caller = Environment.GetEnvironmentVariable("SUDO_USER");
            return string.IsNullOrEmpty(caller) || caller == user ? user : $"{user} (sudo: {caller})";
        }
    }

    // In a container there may be no table of users.
    private static string User
    {
        get
        {
            try
            {
                return Environment.UserName;
            }
            catch (IOException)
            {
                return "(unnamed)";
            }
        }
    }

    public static string Host => Environment.MachineName;
}
