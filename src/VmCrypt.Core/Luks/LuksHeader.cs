using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;

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
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.NotLuks"/>, or the id of the field that is wrong.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>,
    /// <see cref="ErrorIds.CipherUnsupported"/>, <see cref="ErrorIds.HashUnsupported"/>, <see cref="ErrorIds.KdfCostTooHigh"/>.</exception>
    public static async ValueTask<LuksHeader> OpenAsync(IBlockDevice area, LuksOpenOptions options, CancellationToken cancellationToken)
    {
        Luks1Header header = await Luks1Header.ReadAsync(area, cancellationToken);
        return Luks1BoundHeader.Bind(area, header, options.Placement);
    }

    /// <summary>Describes the header even where <see cref="OpenAsync"/> would refuse it for what it contains.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.NotLuks"/> and fields that have no meaning at all.</exception>
    public static async ValueTask<LuksFacts> DescribeAsync(IBlockDevice area, LuksOpenOptions options, CancellationToken cancellationToken)
    {
        Luks1Header header = await Luks1Header.ReadAsync(area, cancellationToken);
        try
        {
            return Luks1BoundHeader.Bind(area, header, options.Placement).Facts;
        }
        catch (VmCryptException reason)
        {
            return header.Describe() with { Unusable = reason };
        }
    }

    /// <summary>Writes a new header with one key slot, whatever <paramref name="area"/> held before.</summary>
    /// <remarks>The area is at least <see cref="LuksFormatOptions.HeaderLength"/> long. A crash before the end leaves no header.</remarks>
    /// <exception cref="InvalidInputException">An option or the passphrase cannot be used.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.QemuCannotOpen"/>.</exception>
    public static ValueTask<(LuksHeader Header, VolumeKey Key)> FormatAsync(
        IBlockDevice area, LuksFormatOptions options, SecretBuffer passphrase, CancellationToken cancellationToken) =>
        Luks1Formatter.FormatAsync(area, options, passphrase, cancellationToken);

    /// <summary>Tries the passphrase on one slot, or on every active slot in order.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>, <see cref="ErrorIds.NoActiveKeySlot"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySlotInvalid"/>.</exception>
    public abstract ValueTask<Unlocked> UnlockAsync(SecretBuffer passphrase, int? slot, CancellationToken cancellationToken);

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
    /// So LUKS1 changes the slot's number, like cryptsetup. Where no slot is free nothing is changed: writing in place would
    /// leave neither passphrase after a crash.
    /// </remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsFull"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeySlotNotProven"/>: the old passphrase still works.</exception>
    public abstract ValueTask<int> ChangeSlotAsync(
        VolumeKey key, int slot, SecretBuffer newPassphrase, KdfCost cost, CancellationToken cancellationToken);

    /// <summary>Destroys a slot: its header entry first, then its key material, overwritten and flushed many times.</summary>
    /// <remarks>Copies that the storage keeps for itself (flash translation, copy-on-write, snapshots) and header backups are out of reach.</remarks>
    /// <param name="force">Also remove the last slot, after which only the volume key opens the payload;
    /// and overwrite the area of an inactive slot once more.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LastKeySlot"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeySlotInactive"/>.</exception>
    public abstract ValueTask RemoveSlotAsync(int slot, bool force, CancellationToken cancellationToken);
}
