using System.Security;
using System.Text;
using System.Text.Unicode;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.KeyStore;

/// <summary>The key store as a vault of SecretManagement (module/VmCrypt.Vault): a secret's name is the path of the disk that it opens.</summary>
/// <remarks>Called by that module's functions only, which run where no command of ours does.</remarks>
public static class SecretVault
{
    /// <summary>The secret of a disk, which is counted and written down: text as a SecureString, other bytes as they are; null for none.</summary>
    /// <param name="master">The master passphrase of the key store; null where it opens alone.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.DiskKeyAmbiguous"/>: the path has several keys, and the image says not which.</exception>
    public static object? Get(string name, SecureString? master) => Wait(async () =>
    {
        using DiskKeyRing ring = await UnlockAsync(master);
        if (await FindAsync(ring, name) is not { } entry)
        {
            return null;
        }

        var options = new DiskOpenOptions { HeaderPath = entry.Disk.HeaderPath };
        using DiskKeys keys = await ring.TakeAsync(entry, DiskLocation.Parse(entry.Disk.Path), options, slot: null, CancellationToken.None);
        return Utf8.IsValid(keys.Default!.Span) ? (object)TextOf(keys.Default) : keys.Default.Span.ToArray();
    });

    /// <summary>Stores what opens a disk, in the place of what is stored of it.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: it opens no key slot.</exception>
    public static void Set(string name, object secret, SecureString? master) => Wait<object?>(async () =>
    {
        var location = DiskLocation.Parse(name);
        using DiskKeyRing ring = await UnlockAsync(master);
        DiskKeyEntry? old = await FindAsync(ring, location.Text);
        var options = new DiskOpenOptions { HeaderPath = old?.Disk.HeaderPath };
        using var keys = new DiskKeys(VaultSecret.BytesOf(secret));
        KeyTrial trial = await KeySlots.TryAsync(location, options with { ForceShare = true }, keys, CancellationToken.None);
        if (!trial.Opens)
        {
            throw new WrongKeyException(ErrorIds.WrongPassphrase, $"The secret does not open {location}, so it was not stored.");
        }

        string? uuid = (await ImageInspector.DescribeAsync(location, options, CancellationToken.None)).Luks?.Uuid;
        _ = old is null
            ? await ring.RegisterAsync(new DiskIdentity { Path = location.Text, LuksUuid = uuid }, keys.Default!, trial.Slot, CancellationToken.None)
            : await ring.ReplaceAsync(old, old.Disk with { LuksUuid = uuid }, keys.Default!, trial.Slot, CancellationToken.None);
        return null;
    });

    /// <exception cref="MissingException"><see cref="ErrorIds.DiskKeyMissing"/>.</exception>
    public static void Remove(string name, SecureString? master) => Wait<object?>(async () =>
    {
        using DiskKeyRing ring = await UnlockAsync(master);
        DiskKeyEntry entry = await FindAsync(ring, name) ?? throw new MissingException(ErrorIds.DiskKeyMissing, $"The key store holds no key for '{name}'.");
        await ring.UnregisterAsync(entry, CancellationToken.None);
        return null;
    });

    private static DiskKeyStore Store => DiskKeyStore.Of(ConfigurationFolder.Default);

    // A path that has had several LUKS headers names the key of the one that is there now.
    private static async Task<DiskKeyEntry?> FindAsync(DiskKeyRing ring, string name) => await Store.OfPathAsync(name, CancellationToken.None) switch
    {
        [] => null,
        [var one] => one,
        [var first, ..] => await ring.RequireOfImageAsync(DiskLocation.Parse(name), new DiskOpenOptions { HeaderPath = first.Disk.HeaderPath }, CancellationToken.None),
    };

    private static async Task<DiskKeyRing> UnlockAsync(SecureString? master)
    {
        using SecretBuffer? given = master is null ? null : SecretSource.Utf8Of(master);
        return await Store.UnlockAsync(given, CancellationToken.None);
    }

    // SecureString takes characters; the array that holds them meanwhile is wiped.
    private static SecureString TextOf(SecretBuffer secret)
    {
        char[] characters = GC.AllocateArray<char>(Encoding.UTF8.GetCharCount(secret.Span), pinned: true);
        Encoding.UTF8.GetChars(secret.Span, characters);
        var text = new SecureString();
        Array.ForEach(characters, text.AppendChar);
        Array.Clear(characters);
        text.MakeReadOnly();
        return text;
    }

    // On a thread of its own: a pipeline's thread has no context to come back to, but a host's may have.
    private static T Wait<T>(Func<Task<T>> job) => Task.Run(job).GetAwaiter().GetResult();
}
