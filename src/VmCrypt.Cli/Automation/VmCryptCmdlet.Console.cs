namespace VmCrypt.Commands.Host;

/// <summary>In <c>vmcrypt</c> the host comes from outside.</summary>
public abstract partial class VmCryptCmdlet
{
    internal ICommandHost Shell { get; set; } = null!;
}
