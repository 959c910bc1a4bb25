using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>Which files an image may make us open, as -References and -AllowedFolder give it.</summary>
internal static class ReferencePolicies
{
    public static ReferencePolicy With(this ReferenceMode mode, string[] folders, ICommandHost shell) =>
        new(mode, [.. folders.Select(shell.ResolveNewPath)]);
}
