using System.Collections;
using System.Management.Automation;
using System.Threading.Channels;
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
public sealed class UnlockImageCommand : ServingCmdlet
{
    private readonly List<(ImageExport Export, ProcessNotice<ExportNotice> Notice)> _served = [];
    private readonly Channel<string> _warnings = Channel.CreateUnbounded<string>();
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

    private protected override void Begin()
    {
        bool[] ways = [AsStream, OutFile is not null, Socket is not null, HasTcp];
        if (ways.Count(chosen => chosen) > 1)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -AsStream, -OutFile, -Socket, and -Address with -Port.");
        }

        if (AsStream && !Shell.OutlivesCommand)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-AsStream is for scripts in PowerShell; use -OutFile, or an NBD export.");
        }

        RequireServing(serves: !AsStream && OutFile is null);
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
        if (_served.Count > 0)
        {
            LockStore();
            ServiceManager.Ready();
            Task serving = Task.Run(ServeUntilStoppedAsync);
            while (Run(_ => NextWarningAsync(serving)) is { } warning)
            {
                Shell.WriteWarning(warning);
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        StopAsync().GetAwaiter().GetResult();
        base.Dispose(disposing);
    }

    private async Task ServeUntilStoppedAsync()
    {
        await using CancellationTokenRegistration stopping = StopToken.Register(ServiceManager.Stopping);
        await Task.WhenAll(_served.Select(served => ServeAsync(served.Export, served.Notice, StopToken)));
        await StopAsync();
    }

    /// <summary>What whoever started the export should know; null when nothing is served any more.</summary>
    private async ValueTask<string?> NextWarningAsync(Task serving)
    {
        await Task.WhenAny(serving, _warnings.Reader.WaitToReadAsync().AsTask());
        if (_warnings.Reader.TryRead(out string? warning))
        {
            return warning;
        }

        await serving;
        return null;
    }

    // What single clients do wrong is theirs to hear; this is for the operator, and said once.
    private void Hear(Exception fault)
    {
        if (fault is VmCryptException { ErrorId: ErrorIds.TlsCredentialsInvalid })
        {
            _warnings.Writer.TryWrite(fault.Message);
        }
    }

    private static async Task ServeAsync(ImageExport export, ProcessNotice<ExportNotice> notice, CancellationToken stop)
    {
        using var asked = CancellationTokenSource.CreateLinkedTokenSource(stop, notice.StopRequested);
        await Task.WhenAny(export.Completion, Task.Delay(Timeout.Infinite, asked.Token));
        await export.StopAsync();
        notice.Dispose();
    }

    private async Task StopAsync()
    {
        await Task.WhenAll(_served.Select(served => served.Export.StopAsync()));
        _served.ForEach(served => served.Notice.Dispose());
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
            options = ServerOptions(disk.Location) with { OnFault = (_, fault) => Hear(fault) };
            return Publish(Run(token => ImageExport.StartAsync(disk, options, ExportName, IsReadOnly, token)));
        }
        catch
        {
            options?.Credentials?.Dispose();
            disk.Dispose();
            throw;
        }
    }

    /// <summary>Lets others find the export; one that nobody would find is stopped.</summary>
    private ImageExport Publish(ImageExport export)
    {
        try
        {
            if (Shell.OutlivesCommand)
            {
                ExportTable.Add(export);
            }
            else
            {
                _served.Add((export, ExportNotice.Post(export)));
            }

            return export;
        }
        catch
        {
            export.StopAsync().GetAwaiter().GetResult();
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
