using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>How long the parts of a new header are, in bytes.</summary>
/// <param name="MetadataSize">Of each of the two copies.</param>
/// <param name="KeyslotsSize">Of all key slots' areas together.</param>
/// <param name="HeaderLength">Up to the payload; of a detached header, of all of it.</param>
internal readonly record struct Luks2Geometry(long MetadataSize, long KeyslotsSize, long HeaderLength)
{
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Luks2SizeInvalid"/>, <see cref="ErrorIds.PayloadAlignmentInvalid"/>.</exception>
    public static Luks2Geometry Of(LuksFormatOptions options)
    {
        long metadata = options.MetadataSize ?? Luks2Layout.HeaderSizes[0];
        if (metadata > int.MaxValue || !Luks2Layout.HeaderSizes.Contains((int)metadata))
        {
            throw Invalid($"Each copy of the LUKS2 header would have {metadata} bytes, but must have one of {string.Join(", ", Luks2Layout.HeaderSizes.ToArray())}.");
        }

        long keyslots = options.KeyslotsSize ?? Luks2Layout.DefaultHeaderLength - (2 * metadata);
        if (keyslots is < 0 or > Luks2Layout.MaxKeyslotsSize || keyslots % Luks2Layout.AreaAlignment != 0)
        {
            throw Invalid($"The key slots would have {keyslots} bytes, but must have a multiple of {Luks2Layout.AreaAlignment} up to {Luks2Layout.MaxKeyslotsSize}.");
        }

        long end = (2 * metadata) + keyslots;
        return new Luks2Geometry(metadata, keyslots, options.Placement == LuksPlacement.Attached ? options.AlignPayload(end) : end);
    }

    private static InvalidInputException Invalid(string message) => new(ErrorIds.Luks2SizeInvalid, message);
}
