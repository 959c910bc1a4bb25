namespace VmCrypt.Core.Block;

/// <summary>How far a long job is; reported through <see cref="IProgress{T}"/> as often as the job likes.</summary>
/// <param name="Activity">What is being done now, in two or three words.</param>
/// <param name="DoneBytes">Bytes done of this activity.</param>
/// <param name="TotalBytes">Bytes of the whole activity; 0 where nobody knows.</param>
public readonly record struct JobProgress(string Activity, long DoneBytes, long TotalBytes)
{
    /// <summary>Of the bytes done, those of an earlier run: they say nothing about the rate.</summary>
    public long BeforeBytes { get; init; }

    /// <summary>Which part of the activity this is, where it has several; shown behind the figures.</summary>
    public string? Detail { get; init; }
}
