namespace VmCrypt.Core.Images.Qcow2;

/// <summary>One holder at a time; may be held across awaits. Held for changes of tables, never while guest data moves.</summary>
internal sealed class MetadataLock : IDisposable
{
    private readonly SemaphoreSlim _semaphore = new(1, 1);

    public async ValueTask<Hold> EnterAsync(CancellationToken cancellationToken)
    {
        await _semaphore.WaitAsync(cancellationToken);
        return new Hold(_semaphore);
    }

    public void Dispose() => _semaphore.Dispose();

    internal readonly struct Hold(SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose() => semaphore.Release();
    }
}
