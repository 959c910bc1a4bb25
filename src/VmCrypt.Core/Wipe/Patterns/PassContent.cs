namespace VmCrypt.Core.Wipe.Patterns;

/// <summary>The bytes of one pass, known at every offset of the target, so that writing, verifying and resuming agree.</summary>
/// <remarks>Not for two threads at once.</remarks>
internal abstract class PassContent : IDisposable
{
    /// <summary>Bytes after which the content repeats; 0 where it does not.</summary>
    public abstract int Period { get; }

    /// <summary>Writes what stands at <paramref name="offset"/> of the target.</summary>
    public abstract void Fill(long offset, Span<byte> target);

    /// <summary>The index of the first byte that is not what stands at <paramref name="offset"/>, or -1.</summary>
    public abstract int FirstDifference(long offset, ReadOnlySpan<byte> actual);

    public virtual void Dispose() => GC.SuppressFinalize(this);
}
