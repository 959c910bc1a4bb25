using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Shows the disks of VMs with their layers and encryption: libvirt's, or those that Get-VMHardDiskDrive of Hyper-V names.</summary>
[Cmdlet(VerbsCommon.Get, "VmDisk")]
[OutputType(typeof(VmDisk))]
public sealed class GetVmDiskCommand : VmCryptCmdlet
{
    /// <summary>Domains by name or UUID; none: all.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] VmName { get; set; } = [];

    /// <summary>Only the disks at these targets.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Target { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string ConnectUri { get; set; } = LibvirtParameter.DefaultConnectUri;

    /// <summary>The image of a Hyper-V drive.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string Path { get; set; } = string.Empty;

    /// <summary>Null for libvirt: only the drives of Hyper-V have one.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? ControllerType { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int ControllerNumber { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int ControllerLocation { get; set; }

    private protected override void Process()
    {
        if (ControllerType is not null)
        {
            Write(Drive());
            return;
        }

        var libvirt = new LibvirtVms(ConnectUri);
        foreach (string vm in VmName.Length > 0 ? VmName : Run(async token => await libvirt.NamesAsync(token)))
        {
            Attempt(vm, () =>
            {
                foreach (VmDisk disk in Run(async token => await libvirt.DisksAsync(vm, token)))
                {
                    Write(disk);
                }
            });
        }
    }

    private void Write(VmDisk disk)
    {
        if (Target.Length == 0 || Target.Contains(disk.Target, StringComparer.OrdinalIgnoreCase))
        {
            Shell.WriteObject(disk);
        }
    }

    private VmDisk Drive()
    {
        var drive = new VmDisk { VmName = VmName[0], Target = $"{ControllerType} {ControllerNumber}:{ControllerLocation}", Path = Path };
        try
        {
            ImageDescription image = Run(token => ImageInspector.DescribeAsync(DiskLocation.Parse(Path), DiskOpenOptions.Default, token));
            return drive with { Image = image, IsRunning = image.InUse };
        }
        catch (VmCryptException trouble)
        {
            return drive with { Trouble = trouble };
        }
    }
}
