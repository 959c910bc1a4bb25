namespace System.Management.Automation;

/// <summary>A command with a group of parameters that it shares with others: they are properties of another object.</summary>
public interface IDynamicParameters
{
    /// <summary>The same object at every call.</summary>
    object GetDynamicParameters();
}
