using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>Keeps a conversion and the guest that uses the disk meanwhile out of each other's way.</summary>
/// <remarks>
/// <para>The converter claims a zone before it reads it; from then on no write gets in, and those under way are waited for. It closes the zone
/// to reads, too, before it overwrites it in its place, or at the latest before the zone counts as new. A claim ends as new when the journal
/// on the medium says so, or as old when nothing was told of it.</para>
/// <para>A request of the guest gets the whole of its range at once and waits for nothing while it has it; the converter waits for requests only.
/// So nobody waits in a circle. A zone is claimed once in a conversion, so no request waits for ever.</para>
/// <para>Where converting fails after the journal was told, the zone can be neither read nor written until it is recovered: whatever came in
/// there would be taken for something else by the recovery. All other zones stay in use.</para>
/// </remarks>
/// <param name="opened">Called once, when the guest may come in.</param>
internal sealed class ZoneGate(Action? opened = null)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<GuestHold> _guests = [];
    private readonly List<ZoneClaim> _claims = [];
    private readonly PayloadRanges _done = new();

    /// <summary>Lets the guest in, where the first <paramref name="done"/> bytes in the order of the plan are new, and the journal says so.</summary>
    public void Open(IZonePlan plan, long length, long done)
    {
        for (long at = 0; at < done;)
        {
            PayloadZone zone = plan.Next(at, length, done - at);
            _done.Add(zone);
            at += zone.Length;
        }

        opened?.Invoke();
    }

    /// <summary>The bytes are new, and never anything else.</summary>
    public void AddNew(PayloadZone zone)
    {
        lock (_lock)
        {
            _done.Add(zone);
        }
    }

    /// <summary>Waits until no claim keeps the range from being used.</summary>
    /// <exception cref="Errors.DeviceFaultException"><see cref="Errors.ErrorIds.DeviceIO"/>: the conversion has failed there.</exception>
    public async ValueTask<GuestHold> EnterAsync(PayloadZone range, bool writes, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task ended;
            lock (_lock)
            {
                if (_claims.Find(claim => claim.Excludes(range, writes)) is not { } keeper)
                {
                    var hold = new GuestHold(this, range, writes);
                    hold.Node = _guests.AddLast(hold);
                    return hold;
                }

                keeper.ThrowIfBroken();
                ended = keeper.Ended;
            }

            await ended.WaitAsync(cancellationToken);
        }
    }

    /// <summary>How far, up to <paramref name="end"/>, the bytes from <paramref name="at"/> on are all new or all old; asked by who holds them.</summary>
    public (long End, bool IsNew) PieceAt(long at, long end)
    {
        lock (_lock)
        {
            return _done.PieceAt(at, end);
        }
    }

    /// <summary>A claim of no zones yet.</summary>
    public ZoneClaim Claim()
    {
        var claim = new ZoneClaim();
        lock (_lock)
        {
            _claims.Add(claim);
        }

        return claim;
    }

    /// <summary>Claims one more zone, and waits until nobody writes to it.</summary>
    public Task ExtendAsync(ZoneClaim claim, PayloadZone zone, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            claim.Zones.Add(zone);
            return WaitForGuestsAsync(guest => guest.Writes && zone.Overlaps(guest.Range), cancellationToken);
        }
    }

    /// <summary>Closes the zones of a claim to reads, and waits until nobody reads them.</summary>
    public Task CloseAsync(ZoneClaim claim)
    {
        lock (_lock)
        {
            claim.IsClosed = true;
            return WaitForGuestsAsync(guest => claim.Zones.Overlap(guest.Range), CancellationToken.None);
        }
    }

    /// <summary>The journal is about to be told of all that is claimed.</summary>
    public void Engage()
    {
        lock (_lock)
        {
            _claims.ForEach(claim => claim.IsEngaged = true);
        }
    }

    /// <summary>The zones are new, and the journal on the medium says so.</summary>
    public async Task CompleteAsync(ZoneClaim claim)
    {
        await CloseAsync(claim);
        lock (_lock)
        {
            _done.Add(claim.Zones);
            _claims.Remove(claim);
            claim.End();
        }
    }

    /// <summary>The same of everything that is claimed.</summary>
    public async Task CompleteAllAsync()
    {
        ZoneClaim[] claims;
        lock (_lock)
        {
            claims = [.. _claims];
        }

        foreach (ZoneClaim claim in claims)
        {
            await CompleteAsync(claim);
        }
    }

    /// <summary>The zones stay old for now, although the journal was told of them: their recovery begins with what the guest leaves there.</summary>
    public void GiveBack(ZoneClaim claim)
    {
        lock (_lock)
        {
            _claims.Remove(claim);
            claim.End();
        }
    }

    /// <summary>Runs <paramref name="change"/> while nobody uses the range; requests that come meanwhile wait.</summary>
    public async ValueTask RunAloneAsync(PayloadZone range, Func<ValueTask> change, CancellationToken cancellationToken)
    {
        ZoneClaim claim = Claim();
        try
        {
            await ExtendAsync(claim, range, cancellationToken);
            await CloseAsync(claim);
            await change();
        }
        finally
        {
            GiveBack(claim);
        }
    }

    /// <summary>The conversion ends before its end: what is claimed and not engaged is as it was, the rest is broken.</summary>
    public void Stop(Exception fault)
    {
        lock (_lock)
        {
            _claims.FindAll(claim => !claim.IsEngaged).ForEach(GiveBack);
            _claims.ForEach(claim => claim.Break(fault));
        }
    }

    internal void Leave(GuestHold hold)
    {
        lock (_lock)
        {
            _guests.Remove(hold.Node);
            hold.Leave();
        }
    }

    private Task WaitForGuestsAsync(Func<GuestHold, bool> isInTheWay, CancellationToken cancellationToken) =>
        Task.WhenAll(_guests.Where(isInTheWay).Select(guest => guest.Left).ToArray()).WaitAsync(cancellationToken);
}
