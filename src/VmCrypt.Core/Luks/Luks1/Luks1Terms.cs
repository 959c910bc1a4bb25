using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>The words of a valid header as things that this version has.</summary>
internal sealed record Luks1Terms(LuksPayload Payload, HashKind Hash)
{
    /// <exception cref="UnsupportedFeatureException">The cipher or hash is not known here.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks1KeyBytesInvalid"/>.</exception>
    public static Luks1Terms Of(in Luks1Header header)
    {
        if (!CipherSpec.TryParse(header.CipherName, header.CipherMode, out CipherSpec cipher))
        {
            throw new UnsupportedFeatureException(ErrorIds.CipherUnsupported,
                $"The cipher {header.CipherName}-{header.CipherMode} is not known.");
        }

        if (!HashKinds.TryParse(header.HashSpec, out HashKind hash))
        {
            throw new UnsupportedFeatureException(ErrorIds.HashUnsupported, $"The hash {header.HashSpec} is not known.");
        }

        cipher.RequireSupported();
        int keySize = (int)header.KeyBytes;
        return cipher.KeySizes.Contains(keySize)
            ? new Luks1Terms(new LuksPayload(cipher, keySize, header.PayloadOffset, Luks1Layout.SectorSize, IvOffset: 0), hash)
            : throw new InvalidImageException(ErrorIds.Luks1KeyBytesInvalid,
                $"The volume key has {keySize} bytes, but {cipher} takes {string.Join(", ", cipher.KeySizes)}.");
    }
}
