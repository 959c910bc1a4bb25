namespace VmCrypt.Core.Errors;

/// <summary>The root of every error that the engine raises on purpose.</summary>
/// <remarks>
/// The message is one sentence for a person: the field or thing, the value found, the value allowed.
/// <see cref="ErrorId"/> is stable, one of <see cref="ErrorIds"/>, and what scripts and tests compare.
/// The sealed kind below says who can help: the caller, the image's owner, the administrator of the host.
/// </remarks>
public abstract class VmCryptException : Exception
{
    private protected VmCryptException(string errorId, string message, Exception? inner)
        : base(message, inner) => ErrorId = errorId;

    /// <summary>Stable identifier, one of <see cref="ErrorIds"/>.</summary>
    public string ErrorId { get; }
}

/// <summary>A parameter of the caller is wrong or contradicts another.</summary>
public sealed class InvalidInputException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>Bytes of an image or header break the rules of their format.</summary>
public sealed class InvalidImageException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>The image is valid, but uses something that this version or this machine cannot do.</summary>
public sealed class UnsupportedFeatureException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>The passphrase or key opens nothing here.</summary>
public sealed class WrongKeyException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>Somebody else uses the file or device: a lock, a mount, a running VM.</summary>
public sealed class DeviceBusyException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>The file, device or connection below failed: I/O error, full disk, read-only medium, lost peer.</summary>
public sealed class DeviceFaultException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>A file, slot, snapshot or peer that was named does not exist.</summary>
public sealed class MissingException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>A peer on the wire broke its protocol.</summary>
public sealed class ProtocolException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);

/// <summary>Possible, but refused to protect data; the sentence says what would allow it.</summary>
public sealed class RefusedException(string errorId, string message, Exception? inner = null)
    : VmCryptException(errorId, message, inner);
