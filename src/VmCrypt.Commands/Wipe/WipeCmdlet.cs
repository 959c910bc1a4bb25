using System.Management.Automation;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Commands.Wipe;

/// <summary>A command that wipes: says what came of it, and certifies it on request.</summary>
public abstract class WipeCmdlet : CertifyingCmdlet
{
    private WipeService? _service;

    /// <summary>A file ending in .json or .html, or a folder for both of each target.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? CertificatePath { get; set; }

    private protected WipeService Service => _service ??= new WipeService(ConfigurationFolder.Default);

    /// <summary>A key that cannot sign is found before anything is wiped.</summary>
    private protected override void Begin()
    {
        if (CertificatePath is not null)
        {
            _ = Issuer;
        }
    }

    /// <summary>Emits a result, with what is to be known of it as warnings, and an error where it failed.</summary>
    private protected void Report(WipeResult result)
    {
        foreach (WipeFinding finding in result.Findings.Where(finding => finding.Weight == FindingWeight.Exception))
        {
            Shell.WriteWarning($"{result.Path}: {finding.Text}");
        }

        Shell.WriteObject(result);
        if (result.Status == WipeStatus.Interrupted)
        {
            Shell.WriteWarning($"{result.Path}: the wipe was stopped; {WhatNext(result)}.");
            throw new OperationCanceledException(StopToken);
        }

        if (CertificatePath is not null)
        {
            Certify(result, Shell.ResolveNewPath(CertificatePath));
        }

        if (result.Status == WipeStatus.Failed)
        {
            throw result.Fault ?? new DeviceFaultException(ErrorIds.WipeNotVerified, result.Findings[0].Text);
        }
    }

    private static string WhatNext(WipeResult result) => (result.JournalPath, result.Target.Kind) switch
    {
        (null, _) => "the next wipe starts from the beginning",
        (var journal, TargetKind.FreeSpace) => $"Resume-SecureWipe goes on with it ({journal}), and until then its files take the space",
        var (journal, _) => $"Resume-SecureWipe goes on with it ({journal})",
    };

    private void Certify(WipeResult result, string path)
    {
        CertificateIssuer issuer = Issuer;
        foreach (string written in Run(token => new ValueTask<IReadOnlyList<string>>(issuer.IssueAsync(result, path, token))))
        {
            Shell.WriteVerbose($"{result.Path}: certificate {written}");
        }
    }
}
