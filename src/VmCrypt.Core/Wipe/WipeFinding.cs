using System.Collections.Immutable;
using VmCrypt.Core.Wipe.Engine;

namespace VmCrypt.Core.Wipe;

public enum FindingWeight
{
    /// <summary>A limit of every overwrite, to be known; the result stays what it is.</summary>
    Note,

    /// <summary>Something may be left: the result is "erased with exceptions" at best.</summary>
    Exception,

    /// <summary>The wipe did not do what it says: the result is "failed".</summary>
    Failure,
}

public enum FindingKind
{
    /// <summary>Other files or snapshots use the same blocks: those keep the old bytes, this file got new blocks.</summary>
    SharedExtents,
    CopyOnWrite,
    DataJournal,

    /// <summary>The file system compresses or encrypts the blocks, so that what reaches the disk is not what was written.</summary>
    Encoded,

    /// <summary>Bytes stand in metadata blocks.</summary>
    InlineData,
    NetworkStorage,
    MemoryStorage,
    LayeredStorage,
    UnknownStorage,

    /// <summary>The file system does not tell where the file lies, so that "in place" cannot be checked.</summary>
    ExtentsUnknown,

    /// <summary>Blocks lie elsewhere than before: the old ones still hold what they held.</summary>
    ExtentsMoved,

    /// <summary>Something below the device does not overwrite in place.</summary>
    NotInPlaceBelow,

    /// <summary>The storage lies behind a server.</summary>
    BehindServer,
    Unwritable,
    Unreadable,
    Mismatched,

    /// <summary>Flash keeps old copies in blocks that no address reaches.</summary>
    Flash,

    /// <summary>Verification could not be kept from reading a cache.</summary>
    CacheNotBypassed,

    /// <summary>The journal could not be kept up to date.</summary>
    JournalIncomplete,

    /// <summary>Names, times and old metadata of the file system are not covered.</summary>
    MetadataNotCovered,

    /// <summary>Header backups, detached headers or escrowed keys may still open the data.</summary>
    KeyCopies,

    /// <summary>Files that belong to the disk and were not wiped with it.</summary>
    NotIncluded,

    /// <summary>The image holds snapshots of its disk.</summary>
    Snapshots,

    /// <summary>Sectors that the drive has replaced, and areas that it hides.</summary>
    HiddenAreas,

    /// <summary>The bytes were not overwritten at all.</summary>
    NotErased,

    /// <summary>The audit log does not tell of the result.</summary>
    AuditIncomplete,

    /// <summary>The run ended with an error.</summary>
    Error,
}

/// <summary>Something that a reader of the result has to know.</summary>
/// <param name="Text">One sentence for people.</param>
public sealed record WipeFinding(FindingKind Kind, FindingWeight Weight, string Text)
{
    /// <summary>How many bytes it concerns; 0 where that has no meaning.</summary>
    public long Bytes { get; init; }

    /// <summary>Which bytes of the target, as far as they are listed.</summary>
    public ImmutableArray<ByteRange> Ranges { get; init; } = [];

    public override string ToString() => Text;
}
