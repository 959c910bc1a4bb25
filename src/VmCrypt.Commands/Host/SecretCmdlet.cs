using System.Management.Automation;
using System.Security;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>A command on images that takes a secret.</summary>
public abstract class SecretCmdlet : ImageCmdlet
{
    private SecretBuffer? _secret;
    private SecretBuffer? _volumeKey;
    private bool _read;

    [Parameter]
    public SecureString? Passphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? KeyFile { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long KeyFileOffset { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? KeyFileSize { get; set; }

    [Parameter]
    public PSCredential? Credential { get; set; }

    /// <summary>The name of a secret that SecretManagement has.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SecretName { get; set; }

    /// <summary>The vault that has it; null for the first that does.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Vault { get; set; }

    /// <summary>The raw volume key, which needs no key slot.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? VolumeKeyFile { get; set; }

    /// <summary>The secret that the user gave, lent out until the command is disposed; null for none.</summary>
    private protected SecretBuffer? GivenSecret()
    {
        if (!_read)
        {
            _secret = new SecretSource
            {
                Passphrase = Passphrase,
                KeyFile = KeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(KeyFile), KeyFileOffset, KeyFileSize),
                Credential = Credential,
                Vault = SecretName is null ? null : () => VaultSecret.BytesOf(Shell.AskVault(SecretName, Vault)),
            }.Read();
            _read = true;
        }

        return _secret;
    }

    /// <summary>The raw volume key that the user gave, lent out until the command is disposed; null for none.</summary>
    private protected SecretBuffer? GivenVolumeKey() =>
        VolumeKeyFile is null ? null : _volumeKey ??= new KeyFile(Shell.ResolveNewPath(VolumeKeyFile), Offset: 0, Size: null).Read();

    /// <summary>What the user gave to open an existing disk, owned by the caller; null for nothing.</summary>
    /// <param name="slot">The only slot to try.</param>
    private protected DiskKeys? GivenKeys(int? slot = null) => (GivenSecret(), GivenVolumeKey()) switch
    {
        ({ } secret, null) => new DiskKeys(secret.Copy()) { Slot = slot },
        (null, { } volumeKey) => new DiskKeys { VolumeKey = volumeKey.Copy(), Slot = slot },
        (null, null) => null,
        _ => throw SecretSource.Ambiguous(),
    };

    /// <summary>What opens an existing disk: given, or asked for once. Owned by the caller.</summary>
    /// <param name="slot">The only slot to try.</param>
    private protected DiskKeys RequireKeys(int? slot = null) =>
        GivenKeys(slot) ?? new DiskKeys((_secret = SecretPrompts.Ask(Shell, "Passphrase")).Copy()) { Slot = slot };

    /// <summary>A secret that is to be set: given, or asked for twice; owned by the caller. Warns of those who cannot use it.</summary>
    /// <param name="fromFile">It was given as a key file.</param>
    /// <param name="forQemu">The disk is one that QEMU can open.</param>
    private protected SecretBuffer RequireNewSecret(SecretBuffer? given, string prompt, bool fromFile, bool forQemu) =>
        SecretPrompts.RequireNew(Shell, given, prompt, fromFile, forQemu);

    protected override void Dispose(bool disposing)
    {
        _secret?.Dispose();
        _volumeKey?.Dispose();
        base.Dispose(disposing);
    }
}
