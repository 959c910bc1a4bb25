namespace VmCrypt.Core.Images;

/// <summary>An image that lets go of the room in its file for which it has no use any more. Wants to be alone meanwhile.</summary>
internal interface IHostReleased : IHostMapped
{
    /// <summary>Why writing to a part of the disk might be writing to another, or fail; a sentence each, none where all is well.</summary>
    ValueTask<IReadOnlyList<string>> FindDefectsAsync(CancellationToken cancellationToken);

    /// <summary>Brings all changes to disk. From then on the image uses none of what its map calls unused at that moment, which may be overwritten.</summary>
    ValueTask ReleaseAsync(CancellationToken cancellationToken);

    /// <summary>Cuts the file off behind the last byte that anything refers to.</summary>
    ValueTask CutAsync(CancellationToken cancellationToken);
}
