using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A backup of the key store.</summary>
/// <param name="Keys">Keys of disks in it.</param>
public sealed record KeyStoreBackup(string Path, long Keys);

/// <summary>Writes all keys of the key store into a file under a passphrase of its own.</summary>
[Cmdlet(VerbsData.Backup, "DiskKeyStore", SupportsShouldProcess = true)]
[OutputType(typeof(KeyStoreBackup))]
public sealed class BackupDiskKeyStoreCommand : BackupCmdlet, IDynamicParameters
{
    private readonly Keys.KdfParameters _kdf = new() { Kdf = Core.Luks.KdfKind.Argon2id };

    public object GetDynamicParameters() => _kdf;

    private protected override void ProcessFile(string path)
    {
        if (Shell.ShouldProcess(path, "Write all stored keys, under the backup's passphrase"))
        {
            using SecretBuffer passphrase = SecretPrompts.RequireNew(Shell, GivenPassphrase(), "Passphrase of the backup", fromFile: false, forQemu: false);
            long keys = Run(token => new ValueTask<long>(Ring.BackupAsync(path, passphrase, _kdf.Cost, Force, token)));
            Shell.WriteObject(new KeyStoreBackup(path, keys));
        }
    }
}
