using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Images;
using VmCrypt.Core.Block;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Export;

/// <summary>Gives access to the plain bytes of disks: as an NBD export, a stream or a copy.</summary>
[Cmdlet(VerbsCommon.Unlock, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageExport), typeof(Stream), typeof(ImageDescription))]
public sealed class UnlockImageCommand : UnlockingCmdlet, IDynamicParameters
{
    private readonly ServingParameters _serving = new();
    private readonly CommandExports _exports = new();
    private bool _copied;

    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    /// <summary>The only key slot to try.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>Id or name of an internal snapshot; implies read-only.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Snapshot { get; set; }

    [Parameter]
    public SwitchParameter AsStream { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OutFile { get; set; }

    /// <summary>Replace the file that <see cref="OutFile"/> names.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    /// <summary>The passphrases of single images of a backing chain, by path or file name.</summary>
    [Parameter]
    public Hashtable? LayerPassphrase { get; set; }

    public object GetDynamicParameters() => _serving;

    private protected override void Begin()
    {
        bool[] ways = [AsStream, OutFile is not null, _serving.Socket is not null, _serving.HasTcp];
        if (ways.Count(chosen => chosen) > 1)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -AsStream, -OutFile, -Socket, and -Address with -Port.");
        }

        if (AsStream && !Shell.OutlivesCommand)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-AsStream is for scripts in PowerShell; use -OutFile, or an NBD export.");
        }

        _serving.Require(serves: !AsStream && OutFile is null);
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (OutFile is not null)
        {
            CopyTo(DiskLocation.Parse(Shell.ResolveNewPath(OutFile)), location);
        }
        else if (Shell.ShouldProcess(location.Text, AsStream ? "Open the plain disk as a stream" : "Serve the plain disk over NBD"))
        {
            UnlockedDisk disk = Unlock(location, writable: !IsReadOnly);
            Shell.WriteObject(AsStream ? new DeviceStream(disk.Device, disk) : Serve(disk));
        }
    }

    /// <summary>Where nothing outlives the command, it serves until it is told to stop.</summary>
    private protected override void End()
    {
        if (_exports.MustBeServed)
        {
            LockStore();
            ServiceManager.Ready();
            _exports.Serve(Shell, Run, Attempt, StopToken);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _exports.Dispose();
        base.Dispose(disposing);
    }

    private bool IsReadOnly => ReadOnly || Snapshot is not null;

    private UnlockedDisk Unlock(DiskLocation location, bool writable)
    {
        DiskOpenOptions options = OpenOptions with { Writable = writable, Snapshot = Snapshot, References = References.With(AllowedFolder, Shell) };
        return Unlock(location, options, LayerPassphrase, Slot);
    }

    private ImageExport Serve(UnlockedDisk disk)
    {
        NbdServerOptions? options = null;
        try
        {
            options = _exports.Heard(_serving.ServerOptions(disk.Location, Shell), Shell);
            return _exports.Publish(Run(token => ImageExport.StartAsync(disk, options, _serving.ExportName, IsReadOnly, token)), Shell);
        }
        catch
        {
            options?.Credentials?.Dispose();
            disk.Dispose();
            throw;
        }
    }

    private void CopyTo(DiskLocation target, DiskLocation source)
    {
        if (!Shell.ShouldProcess(target.Text, $"Copy the plain disk of {source} into a new file"))
        {
            return;
        }

        if (_copied)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"-OutFile names one file, and {target} is already the copy of another image.");
        }

        using UnlockedDisk disk = Unlock(source, writable: false);
        var file = new DiskTarget { Location = target, Replace = Force };
        var plan = new NewDisk { Size = disk.Device.Length, Format = ImageFormat.Raw };
        _ = Run((progress, token) => ImageConversion.ConvertAsync(disk.Device, file, plan, passphrase: null, new CopyOptions(), progress, token));
        _copied = true;
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(target, NewImages.OpenOptions(file, plan), token)));
    }
}
