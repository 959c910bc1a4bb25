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

        int keySize = (int)header.KeyBytes;
        try
        {
            RequireKeySize(cipher, keySize);
        }
        catch (InvalidInputException reason)
        {
            throw new InvalidImageException(ErrorIds.Luks1KeyBytesInvalid, reason.Message, reason);
        }

        return new Luks1Terms(new LuksPayload(cipher, keySize, header.PayloadOffset, Luks1Layout.SectorSize, IvOffset: 0), hash);
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CipherUnsupported"/>.</exception>
    public static void RequireKeySize(CipherSpec cipher, int keySize)
    {
        cipher.RequireSupported();
        cipher.RequireKeySize(keySize);
    }
}
