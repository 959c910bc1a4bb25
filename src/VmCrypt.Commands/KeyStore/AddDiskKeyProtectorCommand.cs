using System.Management.Automation;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Gives the key store of this host one more way to be opened.</summary>
[Cmdlet(VerbsCommon.Add, "DiskKeyProtector", SupportsShouldProcess = true)]
[OutputType(typeof(KeyProtectorFacts))]
public sealed class AddDiskKeyProtectorCommand : KeyStoreCmdlet, IDynamicParameters
{
    private readonly ProtectorParameters _protector = new();

    public object GetDynamicParameters() => _protector;

    private protected override void Process()
    {
        if (Shell.ShouldProcess("the key store", "Add a protector"))
        {
            NewKeyProtector plan = _protector.Plan(Shell);
            Shell.WriteObject(Run(token => new ValueTask<KeyProtectorFacts>(Ring.AddProtectorAsync(plan, token))));
        }
    }

    protected override void Dispose(bool disposing)
    {
        _protector.Dispose();
        base.Dispose(disposing);
    }
}
