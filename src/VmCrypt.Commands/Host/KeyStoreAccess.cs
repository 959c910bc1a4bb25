using System.Security;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.Host;

/// <summary>Opens the key store of this host: alone where it can be, else by its master passphrase, asked for where it was not given.</summary>
internal static class KeyStoreAccess
{
    /// <param name="run">Runs a job of the engine on behalf of the command.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>.</exception>
    public static DiskKeyRing Open(
        ICommandHost shell, DiskKeyStore store, SecureString? passphrase, Func<Func<CancellationToken, ValueTask<DiskKeyRing>>, DiskKeyRing> run)
    {
        using SecretBuffer? given = passphrase is null ? null : SecretSource.Utf8Of(passphrase);
        try
        {
            return run(token => new ValueTask<DiskKeyRing>(store.UnlockAsync(given, token)));
        }
        catch (WrongKeyException locked) when (given is null && locked.ErrorId == ErrorIds.KeyStoreLocked)
        {
            using SecureString? typed = shell.AskSecret("Master passphrase of the key store");
            if (typed is null)
            {
                throw;
            }

            using SecretBuffer secret = SecretSource.Utf8Of(typed);
            return run(token => new ValueTask<DiskKeyRing>(store.UnlockAsync(secret, token)));
        }
    }
}
