using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>PAM's account checks with the identity as the user: no password is asked for, the certificate has proven enough.</summary>
internal sealed class PamAuthorization : NbdAuthorization
{
    private readonly string _service;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.PamUnavailable"/>.</exception>
    public PamAuthorization(string service)
    {
        // The name becomes a path below /etc/pam.d.
        if (service.Length == 0 || service[0] == '.' || !service.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"'{service}' is no name of a PAM service.");
        }

        if (!OperatingSystem.IsLinux() || !LibPam.IsInstalled)
        {
            throw new UnsupportedFeatureException(ErrorIds.PamUnavailable, "This machine has no PAM (libpam.so.0).");
        }

        _service = service;
    }

    internal override bool Allows(string identity, out string why)
    {
        int verdict = LibPam.CheckAccount(_service, identity);
        why = verdict == LibPam.Success ? string.Empty : $"PAM service '{_service}' answers {verdict}";
        return verdict == LibPam.Success;
    }
}
