using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Tells where the key store of this host is and what opens it; needs no key.</summary>
[Cmdlet(VerbsCommon.Get, "DiskKeyStore")]
[OutputType(typeof(KeyStoreFacts))]
public sealed class GetDiskKeyStoreCommand : VmCryptCmdlet
{
    private protected override void Process() =>
        Shell.WriteObject(Run(token => new ValueTask<KeyStoreFacts>(DiskKeyStore.Of(ConfigurationFolder.Default).DescribeAsync(token))));
}
