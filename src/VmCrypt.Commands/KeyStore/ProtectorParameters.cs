using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.KeyStore;

/// <summary>What is to open a key store: the parameters of the commands that make a protector.</summary>
/// <remarks>A class has one base only, so commands take groups of parameters by <see cref="IDynamicParameters"/>.</remarks>
public sealed class ProtectorParameters : KdfParameters, IDisposable
{
    private SecretBuffer? _passphrase;

    /// <summary>A master passphrase.</summary>
    [Parameter]
    public SecureString? MasterPassphrase { get; set; }

    /// <summary>A file that only its owner can read; made if it is not there.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? KeyFile { get; set; }

    /// <summary>The TPM 2.0 of this host.</summary>
    [Parameter]
    public SwitchParameter Tpm { get; set; }

    /// <summary>The registers of the TPM that must stand as they do now.</summary>
    [Parameter]
    [ValidateRange(0, 23)]
    public int[] TpmRegister { get; set; } = [];

    /// <summary>The data protection of Windows, for the account that runs this.</summary>
    [Parameter]
    public SwitchParameter Dpapi { get; set; }

    /// <summary>The one protector that was described; the master passphrase is asked for where nothing was.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>.</exception>
    internal NewKeyProtector Plan(ICommandHost shell)
    {
        bool byTpm = Tpm || TpmRegister.Length > 0;
        bool[] given = [MasterPassphrase is not null, KeyFile is not null, byTpm, Dpapi];
        return given.Count(way => way) > 1
            ? throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one protector at a time; Add-DiskKeyProtector adds others.")
            : KeyFile is not null ? NewKeyProtector.OfKeyFile(shell.ResolveNewPath(KeyFile))
            : byTpm ? NewKeyProtector.OfTpm(TpmRegister)
            : Dpapi ? NewKeyProtector.OfDpapi()
            : OfPassphrase(shell);
    }

    public void Dispose() => _passphrase?.Dispose();

    private NewKeyProtector OfPassphrase(ICommandHost shell)
    {
        Kdf ??= KdfKind.Argon2id;
        SecretBuffer? given = MasterPassphrase is null ? null : SecretSource.Utf8Of(MasterPassphrase);
        _passphrase = SecretPrompts.RequireNew(shell, given, "Master passphrase of the key store", fromFile: false, forQemu: false);
        return NewKeyProtector.OfPassphrase(_passphrase, Cost);
    }
}
