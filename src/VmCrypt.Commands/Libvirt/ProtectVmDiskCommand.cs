using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Images;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Replaces the plain disks of stopped domains by encrypted copies.</summary>
[Cmdlet(VerbsSecurity.Protect, "VmDisk", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ProtectedDisk))]
public sealed class ProtectVmDiskCommand : VmDiskCmdlet, IDynamicParameters
{
    private readonly NewDiskParameters _disk = new();
    private SecretBuffer? _passphrase;

    /// <summary>The encrypted copy; null: beside the old disk, with .luks in its name.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    [Parameter]
    [ValidateSet(nameof(ImageFormat.Qcow2), nameof(ImageFormat.Raw))]
    public ImageFormat DestinationFormat { get; set; } = ImageFormat.Qcow2;

    [Parameter]
    public SecureString? NewPassphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NewKeyFile { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long BytesPerSecond { get; set; }

    public object GetDynamicParameters() => _disk;

    private protected override void Process()
    {
        if (!Shell.ShouldProcess($"{VmName} {Target}", "Replace the disk by an encrypted copy"))
        {
            return;
        }

        _passphrase ??= SecretPrompts.RequireNew(Shell, Given(), "New passphrase", fromFile: NewKeyFile is not null, forQemu: true);
        var plan = new ProtectionPlan
        {
            Destination = Destination is null ? null : DiskLocation.Parse(Shell.ResolveNewPath(Destination)),
            DiskOf = size => _disk.Plan(size, DestinationFormat, _disk.Encryption()),
            Copying = new CopyOptions { BytesPerSecond = BytesPerSecond },
            References = References.With(AllowedFolder, Shell),
        };
        var protection = new VmDiskProtection(ConnectUri, ConfigurationFolder.Default);
        Shell.WriteObject(Run(async (progress, token) => await protection.ProtectAsync(VmName, Target, plan, _passphrase, progress, token)));
    }

    protected override void Dispose(bool disposing)
    {
        _passphrase?.Dispose();
        base.Dispose(disposing);
    }

    private SecretBuffer? Given() => new SecretSource
    {
        Passphrase = NewPassphrase,
        KeyFile = NewKeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(NewKeyFile), Offset: 0, Size: null),
    }.Read();
}
