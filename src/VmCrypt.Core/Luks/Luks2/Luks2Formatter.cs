using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Makes a LUKS2 header with one key slot.</summary>
/// <remarks>
/// The magic goes first and comes last: (1) zeros over the first sector, flush; (2) zeros over the rest of the header, which holds
/// whatever copies there were, key material, flush; (3) the second copy, flush; (4) the first copy, flush. A crash in (1) or (2) leaves
/// what was there or no header; one in (3) or (4) no magic at the start, and at most a complete second copy.
/// </remarks>
internal static class Luks2Formatter
{
    // Those that cryptsetup makes have been changed two or three times when they are done; ours are written once.
    private const ulong FirstSequenceId = 1;

    public static async ValueTask<(LuksHeader Header, VolumeKey Key)> FormatAsync(
        IBlockDevice area, LuksFormatOptions options, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(area);
        LuksPassphrase.RequireUsable(passphrase);
        var geometry = Luks2Geometry.Of(options);
        RequireOptions(options, geometry, area);
        using SecretBuffer key = options.VolumeKey?.Copy() ?? SecretBuffer.Random(options.KeySize);
        (Luks2Copy copy, Luks2Slot slot, byte[] material) = await LuksWork.RunAsync(
            () => Make(options, geometry, key.Span, passphrase.Span, cancellationToken), cancellationToken);
        await WriteAsync(area, geometry, copy, slot.Offset, material, cancellationToken);
        LuksHeader bound = Luks2BoundHeader.Bind(area, await Luks2Copies.ReadAsync(area, cancellationToken), options.Placement);
        return (bound, new VolumeKey(key, bound.Payload));
    }

    private static void RequireOptions(LuksFormatOptions options, Luks2Geometry geometry, IBlockDevice area)
    {
        options.RequireKey();
        if (options.Placement == LuksPlacement.Embedded)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported, "Inside a container only LUKS1 is possible.");
        }

        if (options.PayloadSectorSize is < Luks2Layout.SectorSize or > Crypto.SectorCipher.MaxSectorSize || !int.IsPow2(options.PayloadSectorSize))
        {
            throw new InvalidInputException(ErrorIds.SectorSizeInvalid,
                $"A sector of {options.PayloadSectorSize} bytes is not possible; it is 512, 1024, 2048 or 4096.");
        }

        if (geometry.KeyslotsSize < Luks2Layout.AreaLength(options.KeySize))
        {
            throw new InvalidInputException(ErrorIds.Luks2SizeInvalid,
                $"The key slots would have {geometry.KeyslotsSize} bytes, but a single one takes {Luks2Layout.AreaLength(options.KeySize)}.");
        }

        if (area.Length < geometry.HeaderLength)
        {
            throw new InvalidInputException(ErrorIds.LuksAreaTooSmall,
                $"The device has {area.Length} bytes, but the LUKS2 header takes {geometry.HeaderLength}.");
        }
    }

    private static (Luks2Copy Copy, Luks2Slot Slot, byte[] Material) Make(
        LuksFormatOptions options, Luks2Geometry geometry, ReadOnlySpan<byte> key, ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        long offset = 2 * geometry.MetadataSize;
        var meter = new Pbkdf2Meter(options.Hash, key.Length, cancellationToken);
        var slot = Luks2Slot.Create(0, options.Cipher, key.Length, options.Hash, options.Cost, offset, meter, cancellationToken);
        var proof = Luks2Proof.Create(options.Hash, meter.Digest(options.Cost), key);
        Luks2Metadata metadata = new Luks2Edit(Blank(options, geometry, proof)).AddKeyslot(slot, digest: 0).Done();
        return (new Luks2Copy(Binary(options, geometry), metadata), slot, slot.Seal(key, passphrase, cancellationToken));
    }

    private static Luks2Metadata Blank(LuksFormatOptions options, Luks2Geometry geometry, Luks2Proof proof)
    {
        long offset = options.Placement == LuksPlacement.Detached ? 0 : geometry.HeaderLength;
        var payload = new LuksPayload(options.Cipher, options.KeySize, offset, options.PayloadSectorSize, IvOffset: 0);
        return Luks2Edit.Blank(payload, geometry.MetadataSize, geometry.KeyslotsSize, proof);
    }

    private static Luks2BinaryHeader Binary(LuksFormatOptions options, Luks2Geometry geometry) => new()
    {
        IsSecondary = false,
        HeaderSize = geometry.MetadataSize,
        SequenceId = FirstSequenceId,
        Label = Luks2BinaryHeader.LabelOf(options.Label ?? string.Empty),
        ChecksumAlgorithm = "sha256",
        Salt = Luks2BinaryHeader.FreshSalt(),
        Uuid = Luks2BinaryHeader.UuidOf((options.Uuid ?? Guid.NewGuid()).ToString()),
        Subsystem = Luks2BinaryHeader.LabelOf(options.Subsystem ?? string.Empty),
    };

    private static async ValueTask WriteAsync(
        IBlockDevice area, Luks2Geometry geometry, Luks2Copy copy, long offset, byte[] material, CancellationToken cancellationToken)
    {
        await area.ZeroAsync(0, Luks2Layout.SectorSize, ZeroFlags.None, cancellationToken);
        await area.FlushAsync(cancellationToken);
        await area.ZeroAsync(Luks2Layout.SectorSize, geometry.HeaderLength - Luks2Layout.SectorSize, ZeroFlags.None, cancellationToken);
        await area.WriteAsync(offset, material, cancellationToken);
        await area.FlushAsync(cancellationToken);
        await Luks2Store.WriteCopyAsync(area, copy with { Binary = copy.Binary with { IsSecondary = true, Salt = Luks2BinaryHeader.FreshSalt() } });
        await Luks2Store.WriteCopyAsync(area, copy);
    }
}
