using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Takes the keys of a backup into the key store of this host.</summary>
[Cmdlet(VerbsData.Restore, "DiskKeyStore", SupportsShouldProcess = true)]
[OutputType(typeof(KeyStoreRestoration))]
public sealed class RestoreDiskKeyStoreCommand : BackupCmdlet
{
    private protected override void ProcessFile(string path)
    {
        if (Shell.ShouldProcess(path, Force ? "Take its keys into the key store, in the place of those that are there" : "Take its keys into the key store"))
        {
            using SecretBuffer passphrase = GivenPassphrase() ?? SecretPrompts.Ask(Shell, "Passphrase of the backup");
            Shell.WriteObject(Run(token => new ValueTask<KeyStoreRestoration>(Ring.RestoreAsync(path, passphrase, Force, token))));
        }
    }
}
