using System.Management.Automation;

namespace VmCrypt.Commands.Host;

/// <summary>Lets a parameter take <c>1TiB</c> or <c>'20 GB'</c> beside what PowerShell's own number literals can say.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ByteSizeAttribute : ArgumentTransformationAttribute
{
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData) =>
        inputData is string text && ByteSize.TryParse(text, out long bytes) ? bytes : inputData;
}
