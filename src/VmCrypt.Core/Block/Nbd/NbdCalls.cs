using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>The calls of one connection that wait for a reply, by cookie.</summary>
internal sealed class NbdCalls
{
    private readonly Dictionary<ulong, NbdCall> _waiting = [];
    private ulong _lastCookie;
    private Exception? _closed;

    public int Count
    {
        get
        {
            lock (_waiting)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>What every call on a broken connection throws; a breach of the protocol keeps its id.</summary>
    public static VmCryptException Lost(Exception reason) => reason is ProtocolException breach
        ? new ProtocolException(breach.ErrorId, breach.Message, breach)
        : new DeviceFaultException(ErrorIds.NbdConnectionLost,
            $"The connection to the NBD server is lost ({reason.Message}); writes since the last flush may be lost too.", reason);

    /// <summary>Gives the call its cookie; throws what the connection failed with when it has.</summary>
    public void Add(NbdCall call)
    {
        lock (_waiting)
        {
            if (_closed is not null)
            {
                throw Lost(_closed);
            }

            call.GiveCookie(++_lastCookie);
            _waiting.Add(_lastCookie, call);
        }
    }

    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdCookieUnknown"/>.</exception>
    public NbdCall Find(ulong cookie)
    {
        lock (_waiting)
        {
            return _waiting.GetValueOrDefault(cookie)
                ?? throw new ProtocolException(ErrorIds.NbdCookieUnknown, $"The NBD server answers a request {cookie} that is not under way.");
        }
    }

    public void Remove(NbdCall call)
    {
        lock (_waiting)
        {
            _waiting.Remove(call.Request.Cookie);
        }
    }

    /// <summary>Nothing more will be answered: fails what waits and whatever comes.</summary>
    public void Close(Exception reason)
    {
        NbdCall[] left;
        lock (_waiting)
        {
            _closed ??= reason;
            left = [.. _waiting.Values];
            _waiting.Clear();
        }

        foreach (NbdCall call in left)
        {
            call.TrySetException(Lost(reason));
        }
    }
}
