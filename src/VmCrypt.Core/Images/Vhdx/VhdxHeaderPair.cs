using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>The two headers of a file, of which the one with the higher sequence number counts.</summary>
internal sealed class VhdxHeaderPair
{
    private const long FirstOffset = 64 * 1024;
    private const long SecondOffset = 128 * 1024;

    private readonly IBlockDevice _file;
    private long _currentOffset;

    private VhdxHeaderPair(IBlockDevice file, VhdxHeader current, long currentOffset)
    {
        _file = file;
        Current = current;
        _currentOffset = currentOffset;
    }

    public VhdxHeader Current { get; private set; }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxHeaderInvalid"/>, <see cref="ErrorIds.VhdxLogInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxVersionUnsupported"/>.</exception>
    public static async ValueTask<VhdxHeaderPair> ReadAsync(IBlockDevice file, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[SecondOffset + VhdxHeader.Size];
        if (file.Length < VhdxLimits.Alignment)
        {
            throw Invalid($"The file has {file.Length} bytes; the headers of a VHDX file alone have {VhdxLimits.Alignment}.");
        }

        await file.ReadAsync(0, bytes, cancellationToken);
        if (!bytes.AsSpan().StartsWith(VhdxHeader.FileSignature))
        {
            throw Invalid("The file does not start with 'vhdxfile'.");
        }

        byte[] firstBytes = bytes[(int)FirstOffset..((int)FirstOffset + VhdxHeader.Size)];
        byte[] secondBytes = bytes[(int)SecondOffset..];
        VhdxHeader? first = VhdxHeader.TryParse(firstBytes);
        VhdxHeader? second = VhdxHeader.TryParse(secondBytes);

        if (first is null && second is null)
        {
            throw Invalid("Neither of the two headers has its signature and a good checksum.");
        }

        // Disk2vhd makes two equal headers; two that differ under one number name no current one.
        if (first?.SequenceNumber == second?.SequenceNumber && !firstBytes.AsSpan().SequenceEqual(secondBytes))
        {
            throw Invalid($"Both headers have the sequence number {first!.Value.SequenceNumber} but differ.");
        }

        bool isSecond = first is null || second?.SequenceNumber > first.Value.SequenceNumber;
        VhdxHeader current = isSecond ? second!.Value : first!.Value;
        Check(current);
        return new VhdxHeaderPair(file, current, isSecond ? SecondOffset : FirstOffset);
    }

    /// <summary>The headers of a new file; <see cref="UpdateAsync"/> writes them.</summary>
    public static VhdxHeaderPair New(IBlockDevice file, VhdxHeader header) => new(file, header, SecondOffset);

    /// <summary>Changes both headers, one after the other, each under the next sequence number.</summary>
    /// <remarks>Crash: before the first is complete, all is as it was; from then on, all is as it will be.</remarks>
    public async ValueTask UpdateAsync(Func<VhdxHeader, VhdxHeader> change, CancellationToken cancellationToken)
    {
        VhdxHeader changed = change(Current);
        for (int copy = 0; copy < 2; copy++)
        {
            VhdxHeader next = changed with { SequenceNumber = checked(Current.SequenceNumber + 1) };
            long offset = _currentOffset == FirstOffset ? SecondOffset : FirstOffset;
            await _file.WriteAsync(offset, next.Encode(), cancellationToken);
            await _file.FlushAsync(cancellationToken);
            Current = next;
            _currentOffset = offset;
        }
    }

    private static void Check(in VhdxHeader header)
    {
        if (header.Version != VhdxHeader.KnownVersion || header.LogVersion != VhdxHeader.KnownLogVersion)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdxVersionUnsupported,
                $"The file has version {header.Version} and log version {header.LogVersion}; {VhdxHeader.KnownVersion} and {VhdxHeader.KnownLogVersion} are supported.");
        }

        bool aligned = header.LogBytes % VhdxLimits.Alignment == 0 && header.LogOffset % VhdxLimits.Alignment == 0;
        if (!aligned || header.LogOffset is < VhdxLimits.Alignment or > VhdxLimits.MaxFileBytes)
        {
            throw new InvalidImageException(ErrorIds.VhdxLogInvalid,
                $"The log has {header.LogBytes} bytes at offset {header.LogOffset}; both must be multiples of {VhdxLimits.Alignment}, behind the headers.");
        }
    }

    private static InvalidImageException Invalid(string message) => new(ErrorIds.VhdxHeaderInvalid, message);
}
