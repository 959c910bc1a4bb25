using System.Management.Automation;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Certificates;

namespace VmCrypt.Commands.Wipe;

/// <summary>Issues certificates for results of wipes, or makes the page of a certificate that there is.</summary>
[Cmdlet(VerbsCommon.New, "WipeCertificate", SupportsShouldProcess = true, DefaultParameterSetName = IssueSet)]
[OutputType(typeof(WipeCertificate))]
public sealed class NewWipeCertificateCommand : CertifyingCmdlet
{
    private const string IssueSet = "Issue";
    private const string RenderSet = "Render";

    /// <summary>What Invoke-SecureWipe emitted.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = IssueSet)]
    public WipeResult? InputObject { get; set; }

    /// <summary>A certificate in JSON, whose page is wanted.</summary>
    [Parameter(Mandatory = true, ParameterSetName = RenderSet)]
    [ValidateNotNullOrEmpty]
    public string? Certificate { get; set; }

    /// <summary>A file ending in .json or .html, or a folder for both.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Replace files that there are.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        if (Shell.ParameterSet == RenderSet)
        {
            string source = Shell.ResolveNewPath(Certificate!);
            Attempt(source, () => Write(Run(token => new ValueTask<WipeCertificate>(WipeCertificate.ReadAsync(source, token)))));
            return;
        }

        Attempt(InputObject!.Path, () => Write(Issuer.Issue(InputObject)));
    }

    private void Write(WipeCertificate certificate)
    {
        foreach (string file in CertificateIssuer.FilesFor(certificate, Shell.ResolveNewPath(Path)))
        {
            if (!Shell.ShouldProcess(file, $"Write the certificate of {certificate.Target}"))
            {
                return;
            }

            Run(token => new ValueTask(certificate.WriteAsync(file, Force, token)));
        }

        Shell.WriteObject(certificate);
    }
}
