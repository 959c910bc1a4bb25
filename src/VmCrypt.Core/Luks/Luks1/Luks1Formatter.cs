using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>Makes a LUKS1 header with one key slot.</summary>
/// <remarks>
/// The first sector, which holds the magic, goes first and comes last: (1) zeros over it, flush; (2) zeros over the rest of the
/// area, key material, the rest of the header, flush; (3) the first sector, flush. A crash in (1) leaves what was there or no
/// magic, one before (3) no magic: nothing half made can be taken for a disk.
/// </remarks>
internal static class Luks1Formatter
{
    public static async ValueTask<(LuksHeader Header, VolumeKey Key)> FormatAsync(
        IBlockDevice area, LuksFormatOptions options, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(area);
        LuksPassphrase.RequireUsable(passphrase);
        Luks1FormatRules.Require(options);
        if (area.Length < options.HeaderLength)
        {
            throw new InvalidInputException(ErrorIds.LuksAreaTooSmall,
                $"The device has {area.Length} bytes, but the LUKS1 header takes {options.HeaderLength}.");
        }

        using SecretBuffer key = options.VolumeKey?.Copy() ?? SecretBuffer.Random(options.KeySize);
        (Luks1Header header, byte[] material) = await LuksWork.RunAsync(() => Make(options, key.Span, passphrase.Span, cancellationToken), cancellationToken);
        await WriteAsync(area, options, header, material, cancellationToken);
        LuksHeader bound = Luks1BoundHeader.Bind(area, header, options.Placement);
        return (bound, new VolumeKey(key, bound.Payload));
    }

    private static (Luks1Header Header, byte[] Material) Make(
        LuksFormatOptions options, ReadOnlySpan<byte> key, ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        var meter = new Pbkdf2Meter(options.Hash, options.KeySize, cancellationToken);
        Luks1Header header = Blank(options, key, (uint)meter.Digest(options.Cost));
        header = header.With(0, header.Slots[0].Filled((uint)meter.Slot(options.Cost)));
        return (header, Luks1Keyslots.Seal(Luks1Terms.Of(header), header.Slots[0], key, passphrase));
    }

    private static Luks1Header Blank(LuksFormatOptions options, ReadOnlySpan<byte> key, uint digestIterations)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(Luks1Layout.SaltLength);
        return new Luks1Header
        {
            CipherName = options.Cipher.AlgorithmName,
            CipherMode = options.Cipher.ModeName,
            HashSpec = HashKinds.NameOf(options.Hash),
            PayloadOffsetSectors = options.Placement == LuksPlacement.Detached ? 0 : (uint)(options.HeaderLength / Luks1Layout.SectorSize),
            KeyBytes = (uint)options.KeySize,
            Digest = Luks1Keyslots.DigestOf(options.Hash, key, [.. salt], digestIterations),
            DigestSalt = [.. salt],
            DigestIterations = digestIterations,
            Uuid = (options.Uuid ?? Guid.NewGuid()).ToString(),
            Slots = [.. Enumerable.Range(0, Luks1Layout.SlotCount).Select(slot => BlankSlot(slot, options.KeySize))],
        };
    }

    private static Luks1Slot BlankSlot(int slot, int keyBytes) => new()
    {
        State = Luks1Slot.Inactive,
        Iterations = 0,
        Salt = [.. new byte[Luks1Layout.SaltLength]],
        MaterialOffsetSectors = (uint)Luks1Layout.SlotStartSectors(slot, keyBytes),
        Stripes = Luks1Layout.Stripes,
    };

    private static async ValueTask WriteAsync(
        IBlockDevice area, LuksFormatOptions options, Luks1Header header, byte[] material, CancellationToken cancellationToken)
    {
        const int First = Luks1Layout.SectorSize;
        await area.ZeroAsync(0, First, ZeroFlags.None, cancellationToken);
        await area.FlushAsync(cancellationToken);
        await area.ZeroAsync(First, options.HeaderLength - First, ZeroFlags.None, cancellationToken);
        await area.WriteAsync(header.Slots[0].MaterialOffset, material, cancellationToken);
        byte[] bytes = header.ToBytes();
        await area.WriteAsync(First, bytes.AsMemory(First), cancellationToken);
        await area.FlushAsync(cancellationToken);
        await area.WriteAsync(0, bytes.AsMemory(0, First), cancellationToken);
        await area.FlushAsync(cancellationToken);
    }
}
