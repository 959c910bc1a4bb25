using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe.Journal;

/// <summary>The file that lets a stopped wipe go on: what it set out to do, its seed, and how far it is. Sealed under the host key.</summary>
/// <remarks>
/// Steps, and what a crash after each leaves: the file is made with plan and seed under a temporary name, flushed and renamed
/// (none, or a whole journal that says "from the start"); each save writes the older of two slots and flushes it (the newer
/// slot, or both; a torn slot does not open). All space is reserved at the start, so that a full disk cannot stop a save later.
/// It is made by the first save, which comes before the first change of the target.
/// </remarks>
internal sealed class WipeJournal : IRunLedger, IAsyncDisposable
{
    private readonly JournalBox _box;
    private JournalHeader _header;
    private byte[] _sealedPlan;
    private FileDevice? _file;
    private long _sequence;

    private WipeJournal(string path, JournalPlan plan, RunState state, JournalBox box, JournalHeader header, byte[] sealedPlan)
    {
        Path = path;
        Plan = plan;
        State = state;
        _box = box;
        _header = header;
        _sealedPlan = sealedPlan;
    }

    public string Path { get; }

    public JournalPlan Plan { get; private set; }

    /// <summary>The newest state: found when the journal was opened, or given to be saved since.</summary>
    public RunState State { get; private set; }

    /// <summary>Prepares a journal; nothing is written yet.</summary>
    public static WipeJournal Create(string path, JournalPlan plan, SecretBuffer seed, SecretBuffer hostKey)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(JournalBox.SaltSize);
        var box = new JournalBox(hostKey, salt);
        byte[] sealedPlan = Seal(box, plan, seed);
        return new WipeJournal(path, plan, new RunState(), box, new JournalHeader(salt, box.Check.ToArray(), sealedPlan.Length), sealedPlan);
    }

    /// <summary>Opens a journal; the seed is the caller's.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.WipeJournalDamaged"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WipeJournalKeyWrong"/>.</exception>
    public static async Task<(WipeJournal Journal, SecretBuffer Seed)> OpenAsync(string path, SecretBuffer hostKey, CancellationToken cancellationToken)
    {
        FileDevice file = await FileDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, cancellationToken);
        JournalBox? box = null;
        try
        {
            JournalHeader header = JournalHeader.Parse(await ReadAsync(file, path, 0, JournalHeader.Size, cancellationToken), path);
            box = new JournalBox(hostKey, header.Salt);
            if (!box.Check.SequenceEqual(header.Check))
            {
                throw new WrongKeyException(ErrorIds.WipeJournalKeyWrong,
                    $"'{path}' was sealed under the key of another host or user; take its {Configuration.HostKey.FileName} along, or start anew.");
            }

            byte[] sealedPlan = await ReadAsync(file, path, JournalHeader.PlanOffset, header.PlanLength, cancellationToken);
            (JournalPlan plan, SecretBuffer seed) = OpenPlan(box, sealedPlan, path);
            (RunState state, long sequence) = await NewestStateAsync(file, header, box, path, cancellationToken);
            return (new WipeJournal(path, plan, state, box, header, sealedPlan) { _file = file, _sequence = sequence }, seed);
        }
        catch
        {
            box?.Dispose();
            await file.DisposeAsync();
            throw;
        }
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeJournalForeign"/>.</exception>
    public void RequireTarget(string identity, RangeMap map)
    {
        RequireIdentity(identity);
        if (!map.Digest().AsSpan().SequenceEqual(Plan.MapDigest))
        {
            throw Foreign("its storage is not what it was");
        }
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeJournalForeign"/>.</exception>
    public void RequireIdentity(string identity)
    {
        if (identity != Plan.Identity)
        {
            throw Foreign($"found is {identity}");
        }
    }

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeJournalPending"/>.</exception>
    public void RequireSame(WipeStandard standard, VerifyMode? verify)
    {
        if (!Plan.Standard.Passes.SequenceEqual(standard.ToRow().Passes) || (verify is not null && verify != Plan.Verify))
        {
            throw new RefusedException(ErrorIds.WipeJournalPending,
                $"A wipe of '{Plan.Path}' by {Plan.Standard.Name} was begun and not finished ('{Path}'); resume it, or start anew.");
        }
    }

    /// <summary>From the next save on, which replaces the file as a whole, the journal tells of <paramref name="plan"/>.</summary>
    public async ValueTask ReplanAsync(JournalPlan plan, SecretBuffer seed)
    {
        Plan = plan;
        _sealedPlan = Seal(_box, plan, seed);
        _header = _header with { PlanLength = _sealedPlan.Length };
        if (_file is not null)
        {
            await _file.DisposeAsync();
            _file = null;
        }
    }

    public async ValueTask SaveAsync(RunState state, CancellationToken cancellationToken)
    {
        State = state;
        _file ??= await MakeAsync(cancellationToken);
        long sequence = _sequence + 1;
        byte[] sealedState = _box.Seal(Purpose(sequence), JsonSerializer.SerializeToUtf8Bytes(state, JournalContext.Default.RunState));
        byte[] slot = new byte[JournalHeader.SlotHeaderSize + sealedState.Length];
        if (slot.Length > JournalHeader.SlotSize)
        {
            throw new DeviceFaultException(ErrorIds.DiskFull, $"The state of the wipe has {slot.Length} bytes; the journal has room for {JournalHeader.SlotSize}.");
        }

        BinaryPrimitives.WriteInt64LittleEndian(slot, sequence);
        BinaryPrimitives.WriteInt32LittleEndian(slot.AsSpan(8), sealedState.Length);
        sealedState.CopyTo(slot.AsSpan(JournalHeader.SlotHeaderSize));
        await _file.WriteAsync(_header.SlotOffset((int)(sequence % 2)), slot, cancellationToken);
        await _file.FlushAsync(cancellationToken);
        _sequence = sequence;
    }

    /// <summary>The wipe is over: nothing of the journal is needed any more.</summary>
    public async Task DeleteAsync()
    {
        if (_file is not null)
        {
            await _file.DisposeAsync();
            _file = null;
            File.Delete(Path);
            FilePlatform.Current.FlushFolder(System.IO.Path.GetDirectoryName(Path)!);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _box.Dispose();
        if (_file is not null)
        {
            await _file.DisposeAsync();
        }
    }

    private async Task<FileDevice> MakeAsync(CancellationToken cancellationToken)
    {
        var options = new FileCreateOptions { Length = _header.FileLength, Preallocation = FilePreallocation.Falloc };
        await using (PendingFile pending = await CreateAsync(Path, options, cancellationToken))
        {
            await pending.Device.WriteAsync(0, _header.ToArray(), cancellationToken);
            await pending.Device.WriteAsync(JournalHeader.PlanOffset, _sealedPlan, cancellationToken);
            await pending.CommitAsync(cancellationToken);
        }

        return await FileDevice.OpenAsync(Path, LocalDiskOptions.ReadWrite, cancellationToken);
    }

    // Where storage cannot be reserved, writing zeros does it.
    private static async Task<PendingFile> CreateAsync(string path, FileCreateOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await PendingFile.CreateAsync(path, options, replace: true, cancellationToken);
        }
        catch (UnsupportedFeatureException fault) when (fault.ErrorId == ErrorIds.PreallocationUnsupported)
        {
            return await PendingFile.CreateAsync(path, options with { Preallocation = FilePreallocation.Full }, replace: true, cancellationToken);
        }
    }

    private static byte[] Seal(JournalBox box, JournalPlan plan, SecretBuffer seed)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(plan, JournalContext.Default.JournalPlan);
        using var content = new SecretBuffer(seed.Length + text.Length);
        seed.Span.CopyTo(content.Span);
        text.CopyTo(content.Span[seed.Length..]);
        return box.Seal("plan"u8, content.Span);
    }

    private static (JournalPlan Plan, SecretBuffer Seed) OpenPlan(JournalBox box, byte[] sealedPlan, string path)
    {
        using var content = new SecretBuffer(sealedPlan.Length - JournalBox.Overhead);
        if (content.Length <= PassSequence.SeedSize || !box.TryOpen("plan"u8, sealedPlan, content.Span))
        {
            throw Damaged(path, "its plan was changed or is torn");
        }

        try
        {
            JournalPlan plan = JsonSerializer.Deserialize(content.Span[PassSequence.SeedSize..], JournalContext.Default.JournalPlan)
                ?? throw Damaged(path, "its plan is empty");
            return (plan, SecretBuffer.CopyOf(content.Span[..PassSequence.SeedSize]));
        }
        catch (JsonException fault)
        {
            throw Damaged(path, $"its plan cannot be read ({fault.Message})");
        }
    }

    // A journal whose slots were both never written, or are both torn, starts from the beginning: that repeats work and harms nothing.
    private static async Task<(RunState State, long Sequence)> NewestStateAsync(
        FileDevice file, JournalHeader header, JournalBox box, string path, CancellationToken cancellationToken)
    {
        (RunState State, long Sequence) newest = (new RunState(), 0);
        for (int slot = 0; slot < 2; slot++)
        {
            byte[] bytes = await ReadAsync(file, path, header.SlotOffset(slot), JournalHeader.SlotSize, cancellationToken);
            long sequence = BinaryPrimitives.ReadInt64LittleEndian(bytes);
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(8));
            if (sequence > newest.Sequence && length is > JournalBox.Overhead and <= JournalHeader.SlotSize - JournalHeader.SlotHeaderSize
                && TryOpenState(box, sequence, bytes.AsSpan(JournalHeader.SlotHeaderSize, length)) is { } state)
            {
                newest = (state, sequence);
            }
        }

        return newest;
    }

    private static RunState? TryOpenState(JournalBox box, long sequence, ReadOnlySpan<byte> sealedState)
    {
        byte[] content = new byte[sealedState.Length - JournalBox.Overhead];
        try
        {
            return box.TryOpen(Purpose(sequence), sealedState, content) ? JsonSerializer.Deserialize(content, JournalContext.Default.RunState) : null;
        }
        catch (JsonException)
        {
            // Sealed by us, but by a version that had another idea of a state.
            return null;
        }
    }

    private static byte[] Purpose(long sequence) => [.. "state"u8, .. BitConverter.GetBytes(sequence)];

    private static async Task<byte[]> ReadAsync(FileDevice file, string path, long offset, int count, CancellationToken cancellationToken)
    {
        if (offset + count > file.Length)
        {
            throw Damaged(path, $"it has {file.Length} bytes and needs {offset + count}");
        }

        byte[] bytes = new byte[count];
        await file.ReadAsync(offset, bytes, cancellationToken);
        return bytes;
    }

    private RefusedException Foreign(string found) =>
        new(ErrorIds.WipeJournalForeign, $"The journal '{Path}' belongs to {Plan.Identity}, but {found}; start anew to wipe this one.");

    private static InvalidImageException Damaged(string path, string how) =>
        new(ErrorIds.WipeJournalDamaged, $"The wipe journal '{path}' is damaged: {how}.");
}
