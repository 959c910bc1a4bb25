namespace VmCrypt.Core.Images;

/// <summary>An image that lets go of the room in its file for which it has no use any more. Wants to be alone meanwhile.</summary>
internal interface IHostReleased : IHostMapped
{
    /// <summary>Brings all changes to disk. From then on the image uses none of what its map calls unused, which may be overwritten.</summary>
    ValueTask ReleaseAsync(CancellationToken cancellationToken);

    /// <summary>Cuts the file off behind the last byte that anything refers to.</summary>
    ValueTask CutAsync(CancellationToken cancellationToken);
}
