using VmCrypt.Core.Block;

namespace VmCrypt.Core.Nbd;

/// <summary>A device under a name that clients may ask for; the empty name is the default export.</summary>
public sealed record NbdExport(string Name, IBlockDevice Device)
{
    /// <summary>For people, in the list of exports.</summary>
    public string Description { get; init; } = string.Empty;

    /// <summary>Refuse every change, whatever the device could do.</summary>
    public bool ReadOnly { get; init; }
}
