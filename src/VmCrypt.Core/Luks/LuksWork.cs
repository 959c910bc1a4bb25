namespace VmCrypt.Core.Luks;

/// <summary>Key derivation off the caller's thread.</summary>
internal static class LuksWork
{
    /// <summary>Returns at once when cancelled; what was being derived then runs out unseen, writes nothing and is wiped.</summary>
    public static async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task<T> task = Task.Run(work, CancellationToken.None);
        try
        {
            return await task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = DropAsync(task);
            throw;
        }
    }

    private static async Task DropAsync<T>(Task<T> task)
    {
        if (await task is IDisposable secret)
        {
            secret.Dispose();
        }
    }
}
