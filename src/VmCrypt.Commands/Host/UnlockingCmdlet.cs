using System.Collections;
using System.Management.Automation;
using System.Security;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>A command that opens existing disks: by a secret, by a token of theirs, or by what the host's key store holds.</summary>
public abstract class UnlockingCmdlet : SecretCmdlet
{
    private const string VmSet = "Vm";

    private readonly StoredKeys _stored = new();

    /// <summary>The VM whose disks are meant: those that the key store has keys for.</summary>
    [Parameter(Mandatory = true, ParameterSetName = VmSet)]
    [ValidateNotNullOrEmpty]
    public string[] Vm { get; set; } = [];

    /// <summary>The key store of this host gives the secret.</summary>
    [Parameter]
    public SwitchParameter StoredKey { get; set; }

    /// <summary>The master passphrase of the key store, where the host cannot open it alone.</summary>
    [Parameter]
    public SecureString? StorePassphrase { get; set; }

    /// <summary>The LUKS2 token whose helper gives the passphrase.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Token { get; set; }

    /// <summary>The first token whose helper gives a passphrase that opens.</summary>
    [Parameter]
    public SwitchParameter AnyToken { get; set; }

    /// <summary>Seconds that a token's helper may take.</summary>
    [Parameter]
    [ValidateRange(1, 3600)]
    public int TokenTimeout { get; set; } = (int)TokenUnlock.Patience.TotalSeconds;

    /// <summary>The user wants a token to open the disk.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretAmbiguous"/>.</exception>
    private protected bool ByToken
    {
        get
        {
            bool wanted = Token is not null || AnyToken;
            bool others = (Token is not null && AnyToken) || StoredKey || IsSecretGiven;
            return wanted && others ? throw SecretSource.Ambiguous() : wanted;
        }
    }

    /// <summary>The key store is to open the disk: asked for, or it named the disk and nothing else was given.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretAmbiguous"/>.</exception>
    private protected bool ByStore
    {
        get
        {
            bool others = ByToken || IsSecretGiven;
            return StoredKey && others ? throw SecretSource.Ambiguous() : StoredKey || (Shell.ParameterSet == VmSet && !others);
        }
    }

    /// <summary>Forgets the key of the key store, before a command that has its secrets goes on for long.</summary>
    private protected void LockStore() => _stored.Dispose();

    private bool IsSecretGiven => GivenSecret() is not null || VolumeKeyFile is not null;

    private protected sealed override string[] Given => Shell.ParameterSet == VmSet ? Vm : base.Given;

    private protected sealed override string? HeaderPath => Shell.ParameterSet == VmSet ? _stored.HeaderAtHand : base.HeaderPath;

    private protected override IReadOnlyList<string> Resolve(string path) =>
        Shell.ParameterSet == VmSet ? Run(token => _stored.PathsOfAsync(path, token)) : base.Resolve(path);

    private protected override void Take(string found)
    {
        _stored.TakeInHand(found);
        base.Take(found);
    }

    /// <summary>What opens the key slots of one image: the secret that was given or is asked for, or what a token gives. The caller disposes it.</summary>
    /// <param name="slot">The only slot to try.</param>
    private protected DiskKeys KeysFor(DiskLocation location, int? slot = null)
    {
        DiskOpenOptions options = OpenOptions;
        if (ByStore)
        {
            _stored.Open(Shell, StorePassphrase, Run);
            return Run(token => _stored.TakeAsync(location, options, slot, token));
        }

        return !ByToken ? RequireKeys(slot) : Run(token => TokenUnlock.ByTokenAsync(location, options, Token, slot, TokenPatience, token));
    }

    /// <summary>What the user gave to open the layers of a disk; null for nothing. Nobody is asked. The caller disposes it.</summary>
    /// <param name="layers">Passphrases of single images of the chain, by path or file name.</param>
    /// <param name="slot">The only slot to try.</param>
    private protected DiskKeys? GivenKeysFor(DiskLocation location, Hashtable? layers, int? slot)
    {
        DiskKeys? keys = ByToken || ByStore ? KeysFor(location, slot) : GivenKeys(slot) ?? (layers is null ? null : new DiskKeys { Slot = slot });
        if (keys is not null)
        {
            AddLayers(keys, layers);
        }

        return keys;
    }

    /// <summary>Opens a disk and joins its layers; asks for the secret only where one is needed and none was given.</summary>
    /// <param name="layers">Passphrases of single images of the chain, by path or file name.</param>
    /// <param name="slot">The only slot to try.</param>
    private protected UnlockedDisk Unlock(DiskLocation location, DiskOpenOptions options, Hashtable? layers, int? slot)
    {
        DiskStack stack = Run(token => DiskStack.OpenAsync(location, options, token));
        try
        {
            return new UnlockedDisk(stack, Join(stack, layers, slot));
        }
        catch
        {
            Run(_ => stack.DisposeAsync());
            throw;
        }
    }

    /// <summary>Joins the layers of an open disk, as <see cref="Unlock"/> does.</summary>
    private protected IBlockDevice Join(DiskStack stack, Hashtable? layers = null, int? slot = null)
    {
        using DiskKeys keys = KeysOf(stack, layers, slot);
        return Run(token => stack.UnlockAsync(keys, token));
    }

    private TimeSpan TokenPatience => TimeSpan.FromSeconds(TokenTimeout);

    private DiskKeys KeysOf(DiskStack stack, Hashtable? layers, int? slot)
    {
        bool ask = stack.NeedsKey && layers is null;
        if (ByStore && !stack.NeedsKey)
        {
            // The store has keys of encrypted disks: where a plain one lies in such a place, somebody has put it there.
            throw new InvalidInputException(ErrorIds.NotEncrypted,
                $"The image {stack.Location} is not encrypted, and was to be opened by the key store; open it without -Vm and -StoredKey if it is the right one.");
        }

        DiskKeys keys = ByStore
            ? KeysFor(stack.Location, slot)
            : ByToken
            ? Run(token => TokenUnlock.ByTokenAsync(stack.RequireLuks(), Token, slot, TokenPatience, token))
            : (ask ? RequireKeys(slot) : GivenKeys(slot)) ?? new DiskKeys { Slot = slot };
        AddLayers(keys, layers);
        return keys;
    }

    /// <summary>Adds the passphrases of single images of a chain.</summary>
    private protected static void AddLayers(DiskKeys keys, Hashtable? layers)
    {
        foreach (DictionaryEntry layer in layers ?? [])
        {
            object? value = layer.Value is PSObject wrapped ? wrapped.BaseObject : layer.Value;
            SecureString passphrase = (value as PSCredential)?.Password ?? value as SecureString ?? throw new InvalidInputException(
                ErrorIds.InvalidParameter, $"The passphrase of the layer '{layer.Key}' must be a SecureString or a credential.");
            keys.Add(layer.Key.ToString()!, SecretSource.Utf8Of(passphrase));
        }
    }

    protected override void Dispose(bool disposing)
    {
        _stored.Dispose();
        base.Dispose(disposing);
    }
}
