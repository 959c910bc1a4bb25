using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Wipe.Certificates;

namespace VmCrypt.Commands.Wipe;

/// <summary>Verifies certificates of wipes, anywhere and offline.</summary>
[Cmdlet(VerbsDiagnostic.Test, "WipeCertificate")]
[OutputType(typeof(CertificateVerdict))]
public sealed class TestWipeCertificateCommand : VmCryptCmdlet
{
    /// <summary>Certificates in JSON, or their pages.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "FullName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The public key or certificate of the expected signer, or certificates of authorities, in PEM.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? TrustedKey { get; set; }

    private protected override void Process()
    {
        string? expected = TrustedKey is null ? null : Shell.ResolveNewPath(TrustedKey);
        foreach (string path in Path)
        {
            Attempt(path, () =>
            {
                foreach (string found in Shell.ResolvePaths(path, literal: false))
                {
                    Attempt(found, () => Judge(found, expected));
                }
            });
        }
    }

    private void Judge(string path, string? expected)
    {
        CertificateVerdict verdict = Run(token => new ValueTask<CertificateVerdict>(CertificateVerifier.VerifyAsync(path, expected, token)));
        if (verdict.IsTrusted is null && verdict.IsIntact)
        {
            Shell.WriteWarning($"{path}: intact, but nobody said whose signature to expect; give -TrustedKey.");
        }

        Shell.WriteAnswer(verdict, verdict.IsValid);
    }
}
