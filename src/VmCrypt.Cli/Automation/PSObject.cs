namespace System.Management.Automation;

/// <summary>PowerShell's wrapper around values of its language; none comes into being here.</summary>
public sealed class PSObject(object baseObject)
{
    public object BaseObject { get; } = baseObject;
}
