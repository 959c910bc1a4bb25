namespace VmCrypt.Core.Images;

/// <summary>How much of a new image gets its storage at once; the words and meanings are those of qemu-img.</summary>
public enum Preallocation
{
    /// <summary>Nothing: the file grows as the guest writes.</summary>
    Off,

    /// <summary>Every table is written; the data they name is a hole in the file.</summary>
    Metadata,

    /// <summary>As <see cref="Metadata"/>, and the file system reserves the space.</summary>
    Falloc,

    /// <summary>As <see cref="Metadata"/>, and every byte is written.</summary>
    Full,
}
