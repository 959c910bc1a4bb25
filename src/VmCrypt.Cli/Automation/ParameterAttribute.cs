namespace System.Management.Automation;

[AttributeUsage(AttributeTargets.Property, AllowMultiple = true)]
public sealed class ParameterAttribute : Attribute
{
    public const string AllParameterSets = "__AllParameterSets";

    /// <summary>The place among the arguments without a name; <see cref="int.MinValue"/> where there is none.</summary>
    public int Position { get; set; } = int.MinValue;

    public string ParameterSetName { get; set; } = AllParameterSets;

    public bool Mandatory { get; set; }

    public bool ValueFromPipeline { get; set; }

    public bool ValueFromPipelineByPropertyName { get; set; }
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class AliasAttribute(params string[] aliasNames) : Attribute
{
    public IList<string> AliasNames { get; } = aliasNames;
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class SupportsWildcardsAttribute : Attribute;

/// <summary>Stands for PowerShell's engine in the signature of a transformation; there is none here.</summary>
public sealed class EngineIntrinsics;

[AttributeUsage(AttributeTargets.Property)]
public abstract class ArgumentTransformationAttribute : Attribute
{
    public abstract object Transform(EngineIntrinsics engineIntrinsics, object inputData);
}

/// <summary>A parameter that is on when it is named.</summary>
public readonly struct SwitchParameter(bool isPresent) : IEquatable<SwitchParameter>
{
    public bool IsPresent { get; } = isPresent;

    public bool ToBool() => IsPresent;

    public bool Equals(SwitchParameter other) => IsPresent == other.IsPresent;

    public override bool Equals(object? obj) => obj is SwitchParameter other && Equals(other);

    public override int GetHashCode() => IsPresent.GetHashCode();

    public static implicit operator bool(SwitchParameter value) => value.IsPresent;

    public static implicit operator SwitchParameter(bool value) => new(value);

    public static bool operator ==(SwitchParameter left, SwitchParameter right) => left.Equals(right);

    public static bool operator !=(SwitchParameter left, SwitchParameter right) => !left.Equals(right);
}
