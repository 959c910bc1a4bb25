using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Journal;

/// <summary>Where the journal of a target lies, so that the same command finds it again.</summary>
internal static class JournalPlace
{
    public const string Extension = ".wipe-journal";

    private const string Folder = "wipe";

    /// <summary>Beside a file; for everything else, or on request, in a folder of state under a name that holds a digest of the path.</summary>
    public static string Of(TargetKind kind, string path, string? statePath, ConfigurationFolder configuration)
    {
        if (statePath is null && kind == TargetKind.File)
        {
            return path + Extension;
        }

        string folder = statePath ?? configuration[Folder];
        Directory.CreateDirectory(folder);
        string name = new([.. path.Split('/', '\\')[^1].Select(letter => char.IsLetterOrDigit(letter) || letter is '.' or '-' ? letter : '_')]);
        string digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..12];
        return Path.Combine(folder, $"{name}-{digest}{Extension}");
    }
}
