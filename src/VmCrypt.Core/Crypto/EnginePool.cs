using System.Collections.Concurrent;

namespace VmCrypt.Core.Crypto;

/// <summary>Keyed engines that serve one call at a time: lends an idle one or makes another.</summary>
internal sealed class EnginePool<T>(Func<T> create) : IDisposable
{
    private readonly ConcurrentBag<T> _idle = [];

    public T Rent() => _idle.TryTake(out T? engine) ? engine : create();

    public void Return(T engine) => _idle.Add(engine);

    public void Dispose()
    {
        while (_idle.TryTake(out T? engine))
        {
            (engine as IDisposable)?.Dispose();
        }
    }
}
