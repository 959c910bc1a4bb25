using Microsoft.Win32.SafeHandles;

namespace VmCrypt.Core.Block.Local;

/// <summary>What a service can ask of a local disk when it must know what the medium itself holds.</summary>
internal interface ILocalDevice
{
    string Path { get; }

    SafeFileHandle Handle { get; }

    /// <summary>From now on reads and writes go past the page cache; null where they cannot, else the alignment in bytes of offsets and counts.</summary>
    /// <remarks>After that the caller also brings memory that is aligned to a page.</remarks>
    int? TryBypassCache();

    /// <summary>Flushes, and lets the page cache forget the content.</summary>
    void DropCache();
}
