using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Core.Reencryption;

/// <summary>Rewrites a payload zone by zone, from where the header says it is to its end.</summary>
/// <remarks>
/// <para>A zone that is rewritten in its place: (1) the old bytes are read, flush; (2) their checksums, or they themselves, go to the header's area, flush;
/// (3) the header says which zone is hot, flush; (4) the new bytes are written, flush; (5) the header says that the zone is done, flush.
/// One that moves goes without (2), because its old bytes are not overwritten.</para>
/// <para>After a crash in (1) or (2) the zone is old; from (3) on, whatever of (4) has reached the medium, <see cref="ZoneRecovery"/>
/// makes it new. The step (5) of the last zone is that which ends the re-encryption. While a zone is written the next one is read.</para>
/// <para>Cancelled between zones, or while one is read; never while one is written. A guest may use the disk meanwhile, see <see cref="ZoneGate"/>:
/// from (1) on its writes wait, and where the zone is rewritten in its place its reads wait from (4) on, until (5).</para>
/// </remarks>
internal sealed class PayloadReencryption : IDisposable
{
    /// <summary>Large enough that the flushes of a zone do not count, small enough for two of them in memory.</summary>
    public const int DefaultZoneLength = 64 << 20;

    // cryptsetup's limit for what it keeps in memory, and so the largest zone that it makes.
    private const long MaxZoneLength = 1 << 30;

    private readonly IBlockDevice _data;
    private readonly IZoneJournal _journal;
    private readonly IZonePlan _plan;
    private readonly ZoneMap _map;
    private readonly PayloadCipher _cipher;
    private readonly ZoneProtection _protection;
    private readonly ZoneIO _io;
    private readonly ZoneGate _gate;
    private readonly long _length;
    private readonly long _longest;
    private ZoneBuffer _current;
    private ZoneBuffer _next;

    /// <param name="data">Holds the payload, and the journal where that lies with it; borrowed.</param>
    /// <param name="journal">Borrowed.</param>
    /// <param name="payload">What is rewritten; its ciphers are taken.</param>
    /// <param name="zoneLength">Bytes of a zone at most.</param>
    /// <param name="gate">Lets a guest use the disk meanwhile; null where there is none.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Luks2ReencryptionUnsupported"/>.</exception>
    public PayloadReencryption(IBlockDevice data, IZoneJournal journal, Payload payload, int zoneLength = DefaultZoneLength, ZoneGate? gate = null)
    {
        _gate = gate ?? new ZoneGate();
        _data = data;
        _journal = journal;
        _plan = journal.Plan;
        (_length, _map, _cipher, _protection) = payload;
        _longest = Math.Min(zoneLength, _protection.Capacity) / _plan.Alignment * _plan.Alignment;
        long capacity = Math.Max(_longest, _plan.MovedLength);
        bool movedFits = _plan.MovedLength <= Math.Min(MaxZoneLength, _protection.Capacity);
        if (_longest == 0 || !movedFits)
        {
            _cipher.Dispose();
            throw new UnsupportedFeatureException(ErrorIds.Luks2ReencryptionUnsupported,
                $"The area that protects the re-encryption is too small, or its moved part of {_plan.MovedLength} bytes too large.");
        }

        int record = _protection.UsesChecksums ? (int)_protection.RecordLength(capacity) : 0;
        _io = new ZoneIO(data, _plan, _cipher, _protection);
        _current = new ZoneBuffer((int)capacity, record);
        _next = new ZoneBuffer((int)capacity, record);
    }

    /// <summary>What is rewritten, and how.</summary>
    /// <param name="Length">Bytes of the payload.</param>
    /// <param name="Map">Says which of them are stored.</param>
    /// <param name="Cipher">Turns them into what they become.</param>
    /// <param name="Protection">Of zones in their own place.</param>
    public sealed record Payload(long Length, ZoneMap Map, PayloadCipher Cipher, ZoneProtection Protection)
    {
        /// <param name="data">Holds the payload.</param>
        /// <param name="plan">That of its LUKS2 header.</param>
        /// <param name="keys">Borrowed; needed no longer when this returns.</param>
        /// <param name="leaveHoles">Holes of a plain disk stay holes, and read as noise when it is encrypted.</param>
        public static Payload Of(IBlockDevice data, Luks2ReencryptPlan plan, Luks2ReencryptKeys keys, bool leaveHoles) =>
            new(plan.PayloadLength(data.Length), new ZoneMap(data, plan, leaveHoles), PayloadCipher.Of(plan, keys), ZoneProtection.Of(plan));
    }

    /// <summary>Rewrites all that is left and ends the re-encryption.</summary>
    public async Task RunAsync(IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        PayloadPosition position = _journal.Position(_length);
        await _journal.BeginAsync(cancellationToken);
        long done = position.Done;
        long before = done;
        if (position.Hot is { } hot)
        {
            var recovery = new ZoneRecovery(_data, _journal, _map, _io, _cipher, _protection);
            await recovery.RunAsync(hot, _current, cancellationToken);
            done += hot.Length;
            if (done < _length)
            {
                await _journal.CommitAsync(_length, new PayloadPosition(done));
            }
        }

        bool isOpen = done < _length;
        if (isOpen)
        {
            _gate.Open(_plan, _length, done);
        }

        Task<bool> loading = LoadNextAsync(done, cancellationToken);
        try
        {
            while (await loading)
            {
                (_current, _next) = (_next, _current);
                cancellationToken.ThrowIfCancellationRequested();
                await ProtectAsync();
                done = DoneAfter(_current.Zone);
                loading = LoadNextAsync(done, cancellationToken);
                await StoreAsync();
                progress?.Report(new JobProgress(Activity, done, _length) { BeforeBytes = before });
            }

            await FinishAsync();
        }
        catch (Exception fault)
        {
            // It reads into a buffer that is about to be wiped.
            await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _gate.Stop(fault);
            throw;
        }

        if (!isOpen)
        {
            _gate.Open(_plan, _length, _length);
        }

        progress?.Report(new JobProgress(Activity, _length, _length) { BeforeBytes = before });
    }

    public void Dispose()
    {
        _cipher.Dispose();
        _current.Dispose();
        _next.Dispose();
    }

    private string Activity => _plan.Mode switch
    {
        ReencryptionMode.Encrypt => "Encrypting",
        ReencryptionMode.Decrypt => "Decrypting",
        _ => "Re-encrypting",
    };

    private long DoneAfter(PayloadZone zone) => _plan.DoneBefore(zone, _length) + zone.Length;

    /// <summary>Loads the next zone that has anything to do; false where there is none.</summary>
    private async Task<bool> LoadNextAsync(long done, CancellationToken cancellationToken)
    {
        _next.Claim = _gate.Claim();
        while (done < _length)
        {
            PayloadZone zone = _plan.Next(done, _length, _longest);
            await _gate.ExtendAsync(_next.Claim, zone, cancellationToken);
            List<ZoneRun> runs = await _map.RunsAsync(zone, cancellationToken);
            if (!await _map.IsIdleAsync(zone, runs, cancellationToken))
            {
                _next.Begin(zone, runs);
                await Task.Run(() => _io.LoadAsync(_next, protect: IsInPlace(zone), cancellationToken), cancellationToken);
                return true;
            }

            done += zone.Length;
        }

        return false;
    }

    private async ValueTask ProtectAsync()
    {
        _gate.Engage();
        PayloadZone zone = _current.Zone;
        bool inPlace = IsInPlace(zone);
        if (inPlace)
        {
            // A checksum of what a power cut takes back would fit nothing.
            await _data.FlushAsync(CancellationToken.None);
            await _journal.ProtectAsync(_protection.UsesJournal ? _current.Bytes : _current.Record((int)_protection.RecordLength(zone.Length)));
        }

        await _journal.CommitAsync(_length, new PayloadPosition(_plan.DoneBefore(zone, _length), zone));
        if (inPlace && _protection.UsesJournal)
        {
            await _io.ConvertAsync(_current);
        }
    }

    private async Task StoreAsync()
    {
        PayloadZone zone = _current.Zone;
        if (IsInPlace(zone))
        {
            await _gate.CloseAsync(_current.Claim);
        }

        try
        {
            await _io.StoreAsync(_current);
        }
        catch when (_plan.Mode == ReencryptionMode.Encrypt && !IsInPlace(zone))
        {
            // The file system is full, perhaps. The old bytes are all there, and recovery reads them again, whatever the guest makes of them;
            // nothing that was idle is claimed with them, because holes of a plain disk are data to who uses it.
            _gate.GiveBack(_current.Claim);
            throw;
        }

        await _data.FlushAsync(CancellationToken.None);
        long done = DoneAfter(zone);
        if (done < _length)
        {
            await _journal.CommitAsync(_length, new PayloadPosition(done));
            await _gate.CompleteAsync(_current.Claim);
        }
    }

    /// <summary>Tells the end in one change, that of the last zone included.</summary>
    private async Task FinishAsync()
    {
        _gate.Engage();
        await _journal.FinishAsync(_length);
        await _gate.CompleteAllAsync();
    }

    private bool IsInPlace(PayloadZone zone) => _plan.Source(zone) == _plan.Target(zone);
}
