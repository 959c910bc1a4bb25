namespace VmCrypt.Core.Configuration;

/// <summary>One document of the host's state: read whole, changed by one writer at a time.</summary>
/// <typeparam name="T">A record whose default value means "nothing configured".</typeparam>
public interface IDocument<T>
    where T : class, new()
{
    /// <summary>The document, or the default value where there is none.</summary>
    Task<T> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Applies <paramref name="change"/> to the current document and stores what it returns; waits for other writers.</summary>
    /// <param name="change">May be called more than once, and then counts as it was called last.</param>
    Task<T> UpdateAsync(Func<T, T> change, CancellationToken cancellationToken);
}
