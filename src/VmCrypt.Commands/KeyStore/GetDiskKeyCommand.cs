using System.Management.Automation;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Lists the disks whose keys are in the key store; needs no key.</summary>
[Cmdlet(VerbsCommon.Get, "DiskKey")]
[OutputType(typeof(DiskKey))]
public sealed class GetDiskKeyCommand : DiskKeyCmdlet
{
    private protected override void ProcessKey(DiskKey key) => Shell.WriteObject(key);
}
