using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>What one connection did; safe for its threads.</summary>
internal sealed class NbdCounters
{
    private long _requests;
    private long _errors;
    private long _read;
    private long _written;
    private long _zeroed;

    public NbdStatistics Snapshot => new(
        Volatile.Read(ref _requests), Volatile.Read(ref _errors), Volatile.Read(ref _read), Volatile.Read(ref _written), Volatile.Read(ref _zeroed));

    public void Failed()
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _errors);
    }

    public void Succeeded(in NbdRequest request)
    {
        Interlocked.Increment(ref _requests);
        switch (request.Command)
        {
            case NbdCommand.Read:
                Interlocked.Add(ref _read, request.Length);
                break;
            case NbdCommand.Write:
                Interlocked.Add(ref _written, request.Length);
                break;
            case NbdCommand.WriteZeroes:
                Interlocked.Add(ref _zeroed, request.Length);
                break;
            default:
                break;
        }
    }
}
