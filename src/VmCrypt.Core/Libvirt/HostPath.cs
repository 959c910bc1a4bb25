namespace VmCrypt.Core.Libvirt;

/// <summary>A path as the hypervisor names it, which ours may not judge by this machine's rules.</summary>
internal static class HostPath
{
    /// <summary>The pattern of absFilePath in libvirt's basictypes.rng.</summary>
    public static bool IsAbsolute(string path)
    {
        bool windows = path.Length > 3 && char.IsAsciiLetter(path[0]) && path.AsSpan(1).StartsWith(@":\");
        return windows || (path.Length > 1 && path[0] == '/');
    }

    public static string Require(string path) => IsAbsolute(path)
        ? path
        : throw LibvirtXml.Refused($"The path is '{path}', and must be absolute.");
}
