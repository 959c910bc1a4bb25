using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Stores the secrets of images, proven to open them, in the key store of this host.</summary>
[Cmdlet(VerbsLifecycle.Register, "DiskKey", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(DiskKey))]
public sealed class RegisterDiskKeyCommand : SecretCmdlet
{
    private readonly DiskKeyStore _store = DiskKeyStore.Of(ConfigurationFolder.Default);
    private DiskKeyRing? _ring;

    /// <summary>The name of the VM that has the disk.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("VmName")]
    public string? Vm { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public Guid? VmUuid { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("PoolUuid")]
    public Guid? StoragePool { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("DomainUuid")]
    public Guid? StorageDomain { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public Guid? ImageUuid { get; set; }

    /// <summary>The only key slot to try.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>Replace what is stored.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>The master passphrase, where the host cannot open the store alone.</summary>
    [Parameter]
    public SecureString? StorePassphrase { get; set; }

    private protected override void Begin()
    {
        if (VolumeKeyFile is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "The key store keeps secrets of key slots, which can be changed; a volume key cannot.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, "Store its secret in the key store"))
        {
            return;
        }

        DiskOpenOptions options = OpenOptions;
        using DiskKeys keys = RequireKeys(Slot);
        KeyTrial trial = Run(token => KeySlots.TryAsync(location, options with { ForceShare = true }, keys, token));
        if (!trial.Opens)
        {
            throw new WrongKeyException(ErrorIds.WrongPassphrase, $"The secret does not open {location}, so it was not stored.");
        }

        _ring ??= KeyStoreAccess.Open(Shell, _store, StorePassphrase, Run);
        DiskIdentity disk = IdentityOf(location, options);
        Shell.WriteObject(new DiskKey(Run(token => new ValueTask<DiskKeyEntry>(Force
            ? _ring.StoreAsync(disk, keys.Default!, trial.Slot, token)
            : _ring.RegisterAsync(disk, keys.Default!, trial.Slot, token)))));
    }

    protected override void Dispose(bool disposing)
    {
        _ring?.Dispose();
        base.Dispose(disposing);
    }

    private DiskIdentity IdentityOf(DiskLocation location, DiskOpenOptions options) => new()
    {
        Path = location.Text,
        HeaderPath = options.HeaderPath,
        LuksUuid = Run(token => ImageInspector.DescribeAsync(location, options with { HeadersOnly = true }, token)).Luks?.Uuid,
        VM = string.IsNullOrEmpty(Vm) ? null : Vm,
        VMUuid = VmUuid,
        Pool = StoragePool,
        Domain = StorageDomain,
        Image = ImageUuid,
    };
}
