namespace System.Management.Automation;

[AttributeUsage(AttributeTargets.Class)]
public sealed class CmdletAttribute(string verbName, string nounName) : Attribute
{
    public string VerbName { get; } = verbName;

    public string NounName { get; } = nounName;

    public string DefaultParameterSetName { get; set; } = ParameterAttribute.AllParameterSets;

    public bool SupportsShouldProcess { get; set; }

    public ConfirmImpact ConfirmImpact { get; set; } = ConfirmImpact.Medium;
}

public enum ConfirmImpact
{
    None,
    Low,
    Medium,
    High,
}

[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class OutputTypeAttribute(params Type[] type) : Attribute
{
    public Type[] Type { get; } = type;
}

public static class VerbsCommon
{
    public const string Add = "Add";
    public const string Get = "Get";
    public const string Lock = "Lock";
    public const string New = "New";
    public const string Optimize = "Optimize";
    public const string Remove = "Remove";
    public const string Resize = "Resize";
    public const string Set = "Set";
    public const string Unlock = "Unlock";
}

public static class VerbsData
{
    public const string Backup = "Backup";
    public const string Convert = "Convert";
    public const string ConvertTo = "ConvertTo";
    public const string Export = "Export";
    public const string Import = "Import";
    public const string Restore = "Restore";
    public const string Update = "Update";
}

public static class VerbsLifecycle
{
    public const string Invoke = "Invoke";
    public const string Register = "Register";
    public const string Resume = "Resume";
    public const string Start = "Start";
    public const string Stop = "Stop";
    public const string Unregister = "Unregister";
}

public static class VerbsDiagnostic
{
    public const string Repair = "Repair";
    public const string Test = "Test";
}

public static class VerbsSecurity
{
    public const string Protect = "Protect";
    public const string Unprotect = "Unprotect";
}
