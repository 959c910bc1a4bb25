using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>Which clients of those that proved who they are may come in: QEMU's authz objects. Whoever is not known to be allowed is not.</summary>
public abstract class NbdAuthorization
{
    private protected NbdAuthorization()
    {
    }

    /// <summary>These identities and nobody else (authz-simple, for any number of them).</summary>
    public static NbdAuthorization Identities(IReadOnlyList<string> identities) =>
        new ListAuthorization(new AuthorizationList(AuthzPolicy.Deny, [.. identities.Select(identity => new AuthzRule(identity, AuthzPolicy.Allow))]));

    /// <summary>The first rule that matches decides (authz-list).</summary>
    /// <param name="policy">For whom no rule matches.</param>
    public static NbdAuthorization List(AuthzPolicy policy, IReadOnlyList<AuthzRule> rules) => new ListAuthorization(new AuthorizationList(policy, rules));

    /// <summary>Rules from a file, which is read again when it changes (authz-listfile).</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.AuthorizationListInvalid"/>: now; a file that becomes invalid later allows nobody.</exception>
    public static NbdAuthorization ListFile(string path) => new ListFileAuthorization(path);

    /// <summary>The account checks of a PAM service, with the identity as the user (authz-pam). Linux only.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: the text is no name of a service.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.PamUnavailable"/>.</exception>
    public static NbdAuthorization Pam(string service) => new PamAuthorization(service);

    /// <summary>How often the rules came out different; what was decided under an older number is to be decided again.</summary>
    internal virtual int Version => 0;

    /// <summary>Throws nothing that has to do with the rules: what cannot be decided is denied.</summary>
    /// <param name="why">Says more about a refusal; empty where there is nothing more to say.</param>
    internal abstract bool Allows(string identity, out string why);
}
