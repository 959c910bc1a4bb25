namespace VmCrypt.Core.Stack;

/// <summary>How a disk is to be opened.</summary>
public sealed record DiskOpenOptions
{
    public static DiskOpenOptions Default { get; } = new();

    /// <summary>Takes the locks of a writer, and refuses images that QEMU or another writer has open.</summary>
    public bool Writable { get; init; }

    /// <summary>The format of the outermost layer; null to recognise it.</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>
    /// What lies inside the outermost layer. Null: LUKS in a container is recognised, a LUKS payload is raw, because a guest
    /// writes its start. <see cref="ImageFormat.Raw"/>: nothing further. <see cref="ImageFormat.Qcow2"/>: the LUKS payload is a qcow2 image.
    /// <see cref="ImageFormat.Luks"/>: the container must hold LUKS.
    /// </summary>
    public ImageFormat? PayloadFormat { get; init; }

    /// <summary>The file or device of a detached LUKS header.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>Id or name of an internal snapshot of the outermost qcow2 image, shown in the place of the disk as it is now. Not for writing.</summary>
    public string? Snapshot { get; init; }

    public ReferencePolicy References { get; init; } = ReferencePolicy.Default;

    /// <summary>Reads an image in spite of its writer's locks, like <c>qemu-img --force-share</c>; what is read may be torn. Not for writing.</summary>
    public bool ForceShare { get; init; }

    /// <summary>Do not open backing and data files at all; enough for facts and key slots, not for the disk's bytes.</summary>
    internal bool HeadersOnly { get; init; }

    /// <summary>Keep cryptsetup from changing the LUKS header while the stack is open; changes of the header do so in any case.</summary>
    internal bool HoldHeader { get; init; }
}
