namespace VmCrypt.Core.Block;

/// <summary>How far a long job is; reported through <see cref="IProgress{T}"/> as often as the job likes.</summary>
/// <param name="Activity">What is being done now, in two or three words.</param>
/// <param name="DoneBytes">Bytes done of this activity.</param>
/// <param name="TotalBytes">Bytes of the whole activity; 0 where nobody knows.</param>
public readonly record struct JobProgress(string Activity, long DoneBytes, long TotalBytes);
