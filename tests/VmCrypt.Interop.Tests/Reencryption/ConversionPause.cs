using VmCrypt.Core.Block;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>Holds a conversion when so many bytes of it are done, until it is released.</summary>
internal sealed class ConversionPause : IProgress<JobProgress>, IDisposable
{
    private readonly ManualResetEventSlim _released = new();
    private readonly TaskCompletionSource _reached = new();
    private readonly long _done;

    public ConversionPause(LiveConversion conversion, long done)
    {
        _done = done;
        conversion.Observer = this;
        Task.WaitAny([_reached.Task, conversion.Completion], TestContext.Current.CancellationToken);
    }

    public void Report(JobProgress value)
    {
        if (value.DoneBytes >= _done)
        {
            _reached.TrySetResult();
            _released.Wait();
        }
    }

    public void Release() => _released.Set();

    public void Dispose() => Release();
}
