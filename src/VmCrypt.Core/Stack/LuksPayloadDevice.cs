using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Makes the plain device of a LUKS payload that lies behind or beside its header.</summary>
internal static class LuksPayloadDevice
{
    /// <summary>The payload in <paramref name="contents"/>; the key is borrowed.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.PayloadMissing"/>.</exception>
    public static IBlockDevice Over(IBlockDevice contents, VolumeKey key, bool ownsContents)
    {
        LuksPayload payload = key.Payload;
        if (payload.Offset > contents.Length || payload.Length > contents.Length - payload.Offset)
        {
            throw new InvalidImageException(ErrorIds.PayloadMissing,
                $"The payload of {payload.Length ?? 0} bytes at offset {payload.Offset} does not lie in an image of {contents.Length} bytes; it was cut short.");
        }

        if (payload.Length is null && payload.Offset == contents.Length)
        {
            throw new InvalidImageException(ErrorIds.PayloadMissing,
                $"The image ends at {contents.Length} bytes, where its payload begins: there is a header, but no disk behind it.");
        }

        IBlockDevice place = payload.Length is { } length
            ? new SubDevice(contents, payload.Offset, length, ownsContents)
            : SubDevice.Tail(contents, payload.Offset, ownsContents);
        return AlignedDevice.Over(new CryptDevice(place, key.CreateCipher(), payload.IvOffset));
    }
}
