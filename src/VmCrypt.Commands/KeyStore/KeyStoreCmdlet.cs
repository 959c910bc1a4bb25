using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A command on the key store of this host that needs its key.</summary>
public abstract class KeyStoreCmdlet : VmCryptCmdlet
{
    private DiskKeyRing? _ring;

    /// <summary>The master passphrase, where the host cannot open the store alone.</summary>
    [Parameter]
    public SecureString? StorePassphrase { get; set; }

    private protected DiskKeyStore Store { get; } = DiskKeyStore.Of(ConfigurationFolder.Default);

    /// <summary>The unlocked store; unlocked once, and locked with the command.</summary>
    private protected DiskKeyRing Ring => _ring ??= KeyStoreAccess.Open(Shell, Store, StorePassphrase, Run);

    protected override void Dispose(bool disposing)
    {
        _ring?.Dispose();
        base.Dispose(disposing);
    }
}
