using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Qemu;

/// <summary>Makes QEMU's block nodes of an image, with all of its layers, or of an RBD image.</summary>
[Cmdlet(VerbsCommon.New, "QemuBlockdev", DefaultParameterSetName = "Path")]
[OutputType(typeof(QemuBlockdev))]
public sealed class NewQemuBlockdevCommand : ImageCmdlet
{
    private const string RbdSet = "Rbd";

    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string NodeName { get; set; } = string.Empty;

    /// <summary>The export that serves the image.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Uri { get; set; }

    /// <summary>The secret objects of the encrypted images, the active one first; the last serves all that follow.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SecretId { get; set; } = [];

    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    [Parameter]
    public BlockdevCache Cache { get; set; }

    [Parameter]
    public SwitchParameter Discard { get; set; }

    /// <summary>The LUKS payload is a qcow2 image.</summary>
    [Parameter]
    public SwitchParameter PayloadIsQcow2 { get; set; }

    /// <summary>The tls-creds object for an NBD server with TLS.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? TlsCredentialsId { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    /// <summary>pool/image.</summary>
    [Parameter(Mandatory = true, ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string RbdImage { get; set; } = string.Empty;

    [Parameter(ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string? RbdUser { get; set; }

    [Parameter(ParameterSetName = RbdSet)]
    [ValidateNotNullOrEmpty]
    public string? RbdConfig { get; set; }

    private BlockdevOptions Options => new()
    {
        ReadOnly = ReadOnly,
        Cache = Cache,
        Discard = Discard,
        PayloadIsQcow2 = PayloadIsQcow2,
        HeaderPath = OpenOptions.HeaderPath,
        TlsCredentialsId = TlsCredentialsId,
    };

    private protected override IReadOnlyList<string> Resolve(string path) => base.Resolve(Uri ?? path);

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions.OfExport(Uri) with { References = References.With(AllowedFolder, Shell) };
        ImageDescription image = Run(token => ImageInspector.DescribeAsync(location, options, token));
        int used = 0;
        Shell.WriteObject(QemuBlockdev.Of(NodeName, image, Options, encrypted => SecretId.Length > 0
            ? SecretId[Math.Min(used++, SecretId.Length - 1)]
            : throw new InvalidInputException(ErrorIds.KeyRequired, $"The image {encrypted.Path} is encrypted: name the secret object that opens it with -SecretId.")));
    }

    private protected override void End()
    {
        if (Shell.ParameterSet == RbdSet)
        {
            string[] parts = RbdImage.Split('/');
            if (parts is not [{ Length: > 0 } pool, { Length: > 0 } image])
            {
                throw new InvalidInputException(ErrorIds.QemuOptionInvalid, $"The RBD image is '{RbdImage}', and must be pool/image.");
            }

            Shell.WriteObject(QemuBlockdev.OfRbd(NodeName, pool, image, RbdUser, RbdConfig is null ? null : Shell.ResolveNewPath(RbdConfig), SecretId.FirstOrDefault(), Options));
        }
    }
}
