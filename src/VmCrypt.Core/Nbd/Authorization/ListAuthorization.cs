namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>Rules that stay as they are.</summary>
internal sealed class ListAuthorization(AuthorizationList list) : NbdAuthorization
{
    internal override bool Allows(string identity, out string why)
    {
        why = string.Empty;
        return list.Allows(identity);
    }
}
