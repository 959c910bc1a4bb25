using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Luks;

/// <summary>A valid LUKS header, bound to the device that stores it: opens the volume key and keeps the key slots.</summary>
/// <remarks>
/// <para>The device is borrowed and may be a whole image, a detached header's file or the header's area in a qcow2 file.
/// Opening reads the metadata only and never writes; a method that changes the header says in which order it writes.</para>
/// <para>One call at a time. Passphrases and keys given are borrowed; keys returned are the caller's.</para>
/// </remarks>
public abstract class LuksHeader
{
    /// <summary>Bytes that <see cref="Probe"/> wants to see.</summary>
    public const int ProbeLength = 8;

    /// <summary>"LUKS" and two bytes that no text has.</summary>
    internal static ReadOnlySpan<byte> Magic => [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE];

    private protected LuksHeader(IBlockDevice area) => Area = area;

    public abstract LuksVersion Version { get; }

    /// <summary>The header in words, for people.</summary>
    public abstract LuksFacts Facts { get; }

    public abstract LuksPayload Payload { get; }

    /// <summary>The hash of the volume key's digest; in LUKS1 also of PBKDF2 and the anti-forensic splitter.</summary>
    public abstract HashKind Hash { get; }

    /// <summary>Bytes from the start of the device that the header and its key material occupy.</summary>
    public abstract long HeaderLength { get; }

    public string Uuid => Facts.Uuid;

    /// <inheritdoc cref="LuksFacts.Slots"/>
    public IReadOnlyList<KeySlotFacts> Slots => Facts.Slots;

    private protected IBlockDevice Area { get; }

    /// <summary>Proves the volume key.</summary>
    internal abstract KeyProof Proof { get; }

    /// <summary>LUKS2: bytes of each of the header's two copies; 0 in LUKS1.</summary>
    internal virtual long CopyLength => 0;

    /// <summary>The version that the first <see cref="ProbeLength"/> bytes of a device announce; null where they announce none that is known.</summary>
    public static LuksVersion? Probe(ReadOnlySpan<byte> start)
    {
        if (start.Length < ProbeLength || !start.StartsWith(Magic))
        {
            return null;
        }

        ushort version = BinaryPrimitives.ReadUInt16BigEndian(start[Magic.Length..]);
        return version is 1 or 2 ? (LuksVersion)version : null;
    }

    /// <summary>Reads and validates the header at the start of <paramref name="area"/>.</summary>
    /// <remarks>Of LUKS2's two copies the sound one counts, of two the later; <see cref="LuksFacts.DamagedCopy"/> tells of the other.</remarks>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.NotLuks"/>, or the id of the field that is wrong.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>,
    /// <see cref="ErrorIds.CipherUnsupported"/>, <see cref="ErrorIds.HashUnsupported"/>, <see cref="ErrorIds.KdfCostTooHigh"/>,
    /// or the id of what a LUKS2 header requires.</exception>
    public static async ValueTask<LuksHeader> OpenAsync(IBlockDevice area, LuksOpenOptions options, CancellationToken cancellationToken)
    {
        if (await ReadLuks1Async(area, cancellationToken) is { } header)
        {
            return Luks1BoundHeader.Bind(area, header, options.Placement);
        }

        RequireOutside(options.Placement);
        return Luks2BoundHeader.Bind(area, await Luks2Copies.ReadAsync(area, cancellationToken), options.Placement);
    }

    /// <summary>Describes the header even where <see cref="OpenAsync"/> would refuse it for what it contains.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.NotLuks"/> and fields that have no meaning at all.</exception>
    public static async ValueTask<LuksFacts> DescribeAsync(IBlockDevice area, LuksOpenOptions options, CancellationToken cancellationToken)
    {
        Luks1Header? header = await ReadLuks1Async(area, cancellationToken);
        Luks2Copies? copies = header is null ? await Luks2Copies.ReadAsync(area, cancellationToken) : null;
        try
        {
            return copies is null
                ? Luks1BoundHeader.Bind(area, header!.Value, options.Placement).Facts
                : Luks2BoundHeader.Bind(area, copies, options.Placement).Facts;
        }
        catch (VmCryptException reason)
        {
            return (copies is null ? header!.Value.Describe() : Luks2BoundHeader.Describe(copies)) with { Unusable = reason };
        }
    }

    /// <summary>Writes a new header with one key slot, whatever <paramref name="area"/> held before.</summary>
    /// <remarks>The area is at least <see cref="LuksFormatOptions.HeaderLength"/> long. A crash before the end leaves no header.</remarks>
    /// <exception cref="InvalidInputException">An option or the passphrase cannot be used.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.QemuCannotOpen"/>.</exception>
    public static ValueTask<(LuksHeader Header, VolumeKey Key)> FormatAsync(
        IBlockDevice area, LuksFormatOptions options, SecretBuffer passphrase, CancellationToken cancellationToken) =>
        options.Version == LuksVersion.Luks2
            ? Luks2Formatter.FormatAsync(area, options, passphrase, cancellationToken)
            : Luks1Formatter.FormatAsync(area, options, passphrase, cancellationToken);

    /// <summary>Tries the passphrase on one slot, or on every active slot in order, preferred ones first.</summary>
    /// <remarks>A recovery key may be typed in upper or lower case, with its dashes or without: where it opens nothing as it is, it is tried as it was printed.</remarks>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>, <see cref="ErrorIds.NoActiveKeySlot"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySlotInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotUnbound"/>.</exception>
    /// <exception cref="UnsupportedFeatureException">No slot can be tried: <see cref="ErrorIds.KdfCostTooHigh"/>, <see cref="ErrorIds.KdfUnsupported"/>, …</exception>
    public async ValueTask<Unlocked> UnlockAsync(SecretBuffer passphrase, int? slot, CancellationToken cancellationToken)
    {
        using SecretBuffer? printed = RecoveryKey.AsPrinted(passphrase.Span);
        try
        {
            return await UnlockExactlyAsync(passphrase, slot, cancellationToken);
        }
        catch (WrongKeyException) when (printed is not null)
        {
            return await UnlockExactlyAsync(printed, slot, cancellationToken);
        }
    }

    /// <summary><see cref="UnlockAsync"/> by these very bytes.</summary>
    private protected abstract ValueTask<Unlocked> UnlockExactlyAsync(SecretBuffer passphrase, int? slot, CancellationToken cancellationToken);

    /// <summary>Checks a raw volume key against the header's digest.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongVolumeKey"/>.</exception>
    public abstract ValueTask<VolumeKey> UnlockWithVolumeKeyAsync(SecretBuffer volumeKey, CancellationToken cancellationToken);

    /// <summary>Gives the volume key one more passphrase, in <paramref name="slot"/> or the first free one, and returns the slot.</summary>
    /// <remarks>The key material is on the medium before the slot becomes active.</remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotOccupied"/>, <see cref="ErrorIds.KeySlotsFull"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongVolumeKey"/>: the key is another header's.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.PassphraseInvalid"/>, <see cref="ErrorIds.KeySlotInvalid"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderChanged"/>.</exception>
    public abstract ValueTask<int> AddSlotAsync(
        VolumeKey key, SecretBuffer passphrase, int? slot, KdfCost cost, CancellationToken cancellationToken);

    /// <summary>Replaces the passphrase of <paramref name="slot"/> and returns the slot of the new one.</summary>
    /// <remarks>
    /// The new passphrase gets a free slot and is proven by unlocking it from the medium; only then is the old slot destroyed.
    /// So LUKS1 changes the slot's number, like cryptsetup; LUKS2 keeps it. Where no slot (LUKS2: no area) is free nothing is changed:
    /// writing in place would leave neither passphrase after a crash.
    /// </remarks>
    /// <param name="prove">A proof of the caller's own that the slot it is given opens; what it throws undoes the change. Null for none.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsFull"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>: the old passphrase still works.</exception>
    public abstract ValueTask<int> ChangeSlotAsync(
        VolumeKey key, int slot, SecretBuffer newPassphrase, KdfCost cost, Func<int, CancellationToken, ValueTask>? prove, CancellationToken cancellationToken);

    /// <summary>Destroys a slot: its header entry first, then its key material, overwritten and flushed many times.</summary>
    /// <remarks>Copies that the storage keeps for itself (flash translation, copy-on-write, snapshots) and header backups are out of reach.</remarks>
    /// <param name="force">Also remove the last slot, after which only the volume key opens the payload;
    /// and overwrite the area of an inactive slot once more.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LastKeySlot"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    public abstract ValueTask RemoveSlotAsync(int slot, bool force, CancellationToken cancellationToken);

    /// <summary>Overwrites, once, the room of key slots that are not in use: for a slot that left the header, but whose destruction was interrupted.</summary>
    public abstract ValueTask EraseFreeRoomAsync(CancellationToken cancellationToken);

    /// <summary>LUKS2: gives a key of its own, which does not open the data, a passphrase and a slot; returns the slot.</summary>
    /// <param name="key">1 to 4096 bytes, borrowed.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask<int> AddUnboundSlotAsync(
        SecretBuffer key, SecretBuffer passphrase, int? slot, KdfCost cost, CancellationToken cancellationToken) => throw Luks2Only("key slots with keys of their own");

    /// <summary>LUKS2: the key that a slot holds, whether it opens the data or is one of its own. The caller disposes it.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask<SecretBuffer> OpenUnboundAsync(SecretBuffer passphrase, int slot, CancellationToken cancellationToken) =>
        throw Luks2Only("key slots with keys of their own");

    /// <summary>LUKS2: says when a slot is tried.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask SetPriorityAsync(int slot, KeySlotPriority priority, CancellationToken cancellationToken) => throw Luks2Only("priorities");

    /// <summary>LUKS2: names the disk; null leaves a name, an empty text removes it.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LabelInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask SetLabelAsync(string? label, string? subsystem, CancellationToken cancellationToken) => throw Luks2Only("labels");

    /// <summary>LUKS2: stores a token, as cryptsetup imports it, and returns its number.</summary>
    /// <param name="json">An object with a <c>type</c> and <c>keyslots</c>, which may be empty.</param>
    /// <param name="number">Null for the first free one.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeyTokensFull"/>, <see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask<int> AddTokenAsync(string json, int? number, CancellationToken cancellationToken) => throw Luks2Only("tokens");

    /// <summary>LUKS2: replaces a token, in one change of the header.</summary>
    /// <param name="json">As for <see cref="AddTokenAsync"/>.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenMissing"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask SetTokenAsync(int number, string json, CancellationToken cancellationToken) => throw Luks2Only("tokens");

    /// <summary>LUKS2: <see cref="AddSlotAsync"/> and a token that is assigned to the new slot, in one change of the header.</summary>
    /// <param name="json">As for <see cref="AddTokenAsync"/>; the slot is filled in.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotOccupied"/>, <see cref="ErrorIds.KeySlotsFull"/>,
    /// <see cref="ErrorIds.KeyTokensFull"/>, <see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongVolumeKey"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask<(int Slot, int Token)> AddSlotWithTokenAsync(
        VolumeKey key, SecretBuffer passphrase, int? slot, KdfCost cost, string json, CancellationToken cancellationToken) => throw Luks2Only("tokens");

    /// <summary>LUKS2: removes a token; the slots that it opens stay.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenMissing"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public virtual ValueTask RemoveTokenAsync(int number, CancellationToken cancellationToken) => throw Luks2Only("tokens");

    /// <summary>LUKS2: writes a damaged copy of the header anew from the good one, as every change does first. False where there was nothing to do.</summary>
    public virtual ValueTask<bool> RepairAsync(CancellationToken cancellationToken) => ValueTask.FromResult(false);

    /// <summary>The header with its key material as the medium has it; see <see cref="LuksHeaderBackup"/>.</summary>
    internal abstract ValueTask<byte[]> CopyAsync(CancellationToken cancellationToken);

    /// <summary>Destroys every key slot, those not in use as well, and the tokens: only the volume key itself opens the payload then.</summary>
    /// <remarks>
    /// (1) The header without slots, flush, read back; (2) random bytes over the key material, flushed pass by pass, the last one read
    /// back. Once begun it is finished; after a crash it can be repeated. Copies elsewhere (backups, snapshots) are out of reach.
    /// </remarks>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyMaterialNotErased"/>.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderChanged"/>.</exception>
    public abstract ValueTask<LuksErasure> EraseAsync(CancellationToken cancellationToken);

    /// <summary>Finds out whether the header can become one of the other version, and writes nothing.</summary>
    /// <exception cref="VmCryptException">The id of what stands against it, <c>Conversion…</c>.</exception>
    public abstract ValueTask<LuksConversion> PlanConversionAsync(CancellationToken cancellationToken);

    // Null for what is not LUKS1: LUKS2, or something that may have a second copy behind a destroyed first one.
    private static async ValueTask<Luks1Header?> ReadLuks1Async(IBlockDevice area, CancellationToken cancellationToken)
    {
        byte[] start = new byte[(int)Math.Min(Luks1Header.Size, area.Length)];
        await area.ReadAsync(0, start, cancellationToken);
        return Probe(start) == LuksVersion.Luks1 ? Luks1Header.Parse(start) : null;
    }

    private static void RequireOutside(LuksPlacement placement)
    {
        if (placement == LuksPlacement.Embedded)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported,
                "The header inside the container is no LUKS1 header, and containers hold no other.");
        }
    }

    internal static UnsupportedFeatureException Luks2Only(string what) =>
        new(ErrorIds.LuksVersionUnsupported, $"LUKS1 has no {what}; convert the header to LUKS2.");
}
