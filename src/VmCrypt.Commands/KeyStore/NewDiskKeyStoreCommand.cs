using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Makes the key store of this host.</summary>
[Cmdlet(VerbsCommon.New, "DiskKeyStore", SupportsShouldProcess = true)]
[OutputType(typeof(KeyStoreFacts))]
public sealed class NewDiskKeyStoreCommand : VmCryptCmdlet, IDynamicParameters
{
    private readonly ProtectorParameters _protector = new();

    public object GetDynamicParameters() => _protector;

    private protected override void Process()
    {
        ConfigurationFolder folder = ConfigurationFolder.Default;
        if (Shell.ShouldProcess(folder.Path, "Make a key store"))
        {
            NewKeyProtector plan = _protector.Plan(Shell);
            Shell.WriteObject(Run(token => new ValueTask<KeyStoreFacts>(DiskKeyStore.Of(folder).CreateAsync(plan, token))));
        }
    }

    protected override void Dispose(bool disposing)
    {
        _protector.Dispose();
        base.Dispose(disposing);
    }
}
