using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Images;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Writes the definition of a storage volume, as text: of a new one, or of one like an image.</summary>
[Cmdlet(VerbsCommon.New, "LibvirtVolumeXml", DefaultParameterSetName = "Path")]
[OutputType(typeof(string))]
public sealed class NewLibvirtVolumeXmlCommand : ImageCmdlet
{
    private const string NewSet = "New";

    [Parameter(Mandatory = true, ParameterSetName = NewSet)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = string.Empty;

    /// <summary>Bytes.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NewSet)]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long Capacity { get; set; }

    /// <summary>Bytes to reserve at once.</summary>
    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long? Allocation { get; set; }

    [Parameter]
    public Guid? SecretUuid { get; set; }

    /// <summary>The usage that the secret was defined with.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SecretUsage { get; set; }

    /// <summary>The new volume is not encrypted.</summary>
    [Parameter(ParameterSetName = NewSet)]
    public SwitchParameter Plain { get; set; }

    [Parameter(ParameterSetName = NewSet)]
    [ValidateNotNullOrEmpty]
    public string? Cipher { get; set; }

    /// <summary>Bits.</summary>
    [Parameter(ParameterSetName = NewSet)]
    public int? KeySize { get; set; }

    [Parameter(ParameterSetName = NewSet)]
    public HashKind? Hash { get; set; }

    /// <summary>Bytes.</summary>
    [Parameter(ParameterSetName = NewSet)]
    [ByteSize]
    public int? ClusterSize { get; set; }

    private SecretReference? Secret => (SecretUuid, SecretUsage) switch
    {
        (null, null) => null,
        ({ } uuid, null) => SecretReference.To(uuid),
        (null, { } usage) => SecretReference.To(usage),
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Name the secret by -SecretUuid or by -SecretUsage, not by both."),
    };

    private protected override void ProcessImage(DiskLocation location)
    {
        ImageDescription image = Run(token => ImageInspector.DescribeAsync(location, OpenOptions, token));
        Write(image.ToVolume(encrypted => Secret ?? SecretReference.To(encrypted.Path)) with { Allocation = Allocation });
    }

    private protected override void End()
    {
        if (Shell.ParameterSet == NewSet)
        {
            Write(new VolumeDefinition
            {
                Name = Name,
                Capacity = Capacity,
                Allocation = Allocation,
                Format = (Format ?? ImageFormat.Qcow2) switch
                {
                    ImageFormat.Qcow2 => "qcow2",
                    ImageFormat.Raw or ImageFormat.Luks => "raw",
                    var other => throw new InvalidInputException(ErrorIds.InvalidParameter, $"libvirt encrypts volumes of the formats Raw and Qcow2, not {other}."),
                },
                Encryption = Encryption(),
                ClusterSize = ClusterSize,
            });
        }
    }

    private DiskEncryption? Encryption()
    {
        bool chosen = Cipher is not null || KeySize is not null || Hash is not null;
        if (Plain == Secret is not null || (Plain && chosen))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "A new volume is encrypted, with -SecretUuid or -SecretUsage, or it is -Plain, without cipher, key size and hash.");
        }

        if (Secret is not { } secret)
        {
            return null;
        }

        LuksFormatOptions? options = chosen ? new NewDiskParameters { Cipher = Cipher, KeySize = KeySize, Hash = Hash }.Encryption() : null;
        return new DiskEncryption
        {
            Secrets = [secret],
            Cipher = options is null ? null : VolumeCipher.Of(options.Cipher, options.KeySize, options.Hash),
        };
    }

    private void Write(VolumeDefinition volume)
    {
        if (volume.RoundedCapacity != volume.Capacity)
        {
            Shell.WriteVerbose($"libvirt makes {volume.RoundedCapacity} bytes of the capacity {volume.Capacity}.");
        }

        Shell.WriteObject(volume.ToXml());
    }
}
