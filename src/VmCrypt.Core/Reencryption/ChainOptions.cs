using VmCrypt.Core.Block;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>What all images of a backing chain are to become in their places, and how.</summary>
public sealed record ChainOptions
{
    /// <summary>Of every layer; its location is the active image. Without a detached header, and no layer gives up its end.</summary>
    public required ReencryptionOptions Layers { get; init; }

    /// <summary>The format of the active image; null to recognise it.</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>Which files the layers may name, to be changed as they are.</summary>
    public ReferencePolicy References { get; init; } = ReferencePolicy.Default;

    /// <summary>Go on although other images are built on a layer of qcow2: their users need its key from then on, or none.</summary>
    public bool Force { get; init; }

    /// <summary>Stands between the layers' files and who works on them.</summary>
    internal Func<IBlockDevice, IBlockDevice> Wrap { get; init; } = device => device;
}
