using System.Management.Automation;
using System.Security;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>A secret as a vault of SecretManagement gives it.</summary>
internal static class VaultSecret
{
    /// <summary>Its bytes, owned by the caller: of a text, of a credential's password, or as they are.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretSourceInvalid"/>: it is of another type.</exception>
    public static SecretBuffer BytesOf(object secret) => (secret is PSObject wrapped ? wrapped.BaseObject : secret) switch
    {
        SecureString text => SecretSource.Utf8Of(text),
        PSCredential credential => SecretSource.Utf8Of(credential.Password),
        byte[] bytes => SecretBuffer.CopyOf(bytes),
        var other => throw new InvalidInputException(ErrorIds.SecretSourceInvalid, $"The vault gives a {other.GetType().Name}; what opens disks is a SecureString, a credential or bytes."),
    };
}
