namespace VmCrypt.Core.Usb.Lists;

/// <summary>By what a VM's list is found: its UUID first, then its name, then the default list.</summary>
public sealed record VmIdentity(string Name, Guid? Uuid = null)
{
    public override string ToString() => Name;
}
