using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>What a certificate states and its signature covers. Times are UTC, lengths bytes, durations milliseconds.</summary>
internal sealed record CertificateBody
{
    public const string FormatName = "vmcrypt-wipe-certificate";

    public required string Format { get; init; }

    public required int Version { get; init; }

    public required Guid Id { get; init; }

    public required DateTimeOffset Issued { get; init; }

    public required string Tool { get; init; }

    public required string Host { get; init; }

    public required string OperatingSystem { get; init; }

    public required string Operator { get; init; }

    public required string? Vm { get; init; }

    public required WipeStatus Status { get; init; }

    public required BodyMedium Medium { get; init; }

    public required BodyMethod Method { get; init; }

    public required IReadOnlyList<BodyPass> Passes { get; init; }

    public required BodyKeys? Keys { get; init; }

    public required IReadOnlyList<BodyFinding> Findings { get; init; }

    public required DateTimeOffset Started { get; init; }

    public required DateTimeOffset Finished { get; init; }

    public required int Interruptions { get; init; }

    public required AfterWipe After { get; init; }

    /// <summary>See <see cref="DiskMap"/>.</summary>
    public required string Map { get; init; }

    /// <summary>The entry of the host's audit log; its hash stands for the log up to there.</summary>
    public required BodyAudit? Audit { get; init; }

    public required CertificateDetails Details { get; init; }

    public static CertificateBody Of(WipeResult result, CertificateDetails details, DateTimeOffset issued) => new()
    {
        Format = FormatName,
        Version = 1,
        Id = Guid.NewGuid(),
        Issued = issued,
        Tool = $"VmCrypt {typeof(CertificateBody).Assembly.GetName().Version?.ToString(3)}",
        Host = result.Host,
        OperatingSystem = System.Runtime.InteropServices.RuntimeInformation.OSDescription,
        Operator = result.Operator,
        Vm = result.VM,
        Status = result.Status,
        Medium = BodyMedium.Of(result.Target),
        Method = BodyMethod.Of(result),
        Passes = [.. result.Passes.Select(BodyPass.Of)],
        Keys = result.Keys is { } keys ? new BodyKeys(keys.Header, keys.Uuid, keys.Cipher, keys.SlotsDestroyed, keys.SlotsOverwritten, keys.Verified) : null,
        Findings = [.. result.Findings.Select(BodyFinding.Of)],
        Started = result.Started,
        Finished = result.Finished,
        Interruptions = result.Resumes,
        After = result.After,
        Map = result.Map,
        Audit = result.Audit is { } audit ? new BodyAudit(audit.Sequence, audit.Hash) : null,
        Details = details,
    };
}

internal sealed record BodyMedium(
    TargetKind Kind,
    string Path,
    long Length,
    long AllocatedBytes,
    string? Device,
    string? Model,
    string? Serial,
    string? Wwid,
    bool? Rotational,
    string? FileSystem,
    StorageNature? Nature,
    int? Extents,
    long SharedBytes)
{
    public static BodyMedium Of(MediumFacts facts) => new(
        facts.Kind, facts.Path, facts.Length, facts.AllocatedBytes,
        facts.Disk?.Disk ?? facts.Disk?.Name, facts.Disk?.Model, facts.Disk?.Serial, facts.Disk?.Wwid, facts.Disk?.Rotational,
        facts.FileSystem?.Type, facts.FileSystem?.Nature, facts.ExtentCount, facts.SharedBytes);
}

internal sealed record BodyMethod(string Standard, string Title, string Origin, string Notes, string Description, int Passes, VerifyMode Verification)
{
    public static BodyMethod Of(WipeResult result)
    {
        string description = (result.Status, result.Standard) switch
        {
            (WipeStatus.DeletedOnly, _) => "deleted without erasing",
            (_, { CryptoErase: true, Passes.Count: 0 }) => "cryptographic erase",
            (_, { CryptoErase: true }) => "cryptographic erase, then overwriting",
            _ => "overwriting",
        };
        WipeStandard standard = result.Standard;
        return new BodyMethod(standard.Name, standard.Title, standard.Origin, standard.Notes, description, standard.Passes.Count, result.Verify);
    }
}

internal sealed record BodyPass(
    int Number, string Content, DateTimeOffset Started, DateTimeOffset? Finished, long WrittenBytes, long WriteMs, long VerifiedBytes, long VerifyMs)
{
    public static BodyPass Of(Engine.PassReport pass) => new(
        pass.Number, pass.Content, pass.Started, pass.Finished,
        pass.WrittenBytes, (long)(pass.WriteSeconds * 1000), pass.VerifiedBytes, (long)(pass.VerifySeconds * 1000));
}

internal sealed record BodyKeys(string Header, string Uuid, string Cipher, int SlotsDestroyed, int SlotsOverwritten, bool Verified);

internal sealed record BodyFinding(FindingKind Kind, FindingWeight Weight, string Text, long Bytes, IReadOnlyList<long[]> Ranges)
{
    public static BodyFinding Of(WipeFinding finding) => new(
        finding.Kind, finding.Weight, finding.Text, finding.Bytes, [.. finding.Ranges.Select(range => new[] { range.Offset, range.Length })]);
}

internal sealed record BodyAudit(long Sequence, string Hash);

/// <summary>A certificate file: what is stated, and who says so.</summary>
internal sealed record CertificateFile(JsonElement Certificate, CertificateSignature Signature);

/// <param name="Algorithm">Always <see cref="CertificateSigner.Algorithm"/>.</param>
/// <param name="PublicKey">SubjectPublicKeyInfo, DER.</param>
/// <param name="Chain">X.509 certificates, DER, the signer's first; empty for a bare key.</param>
/// <param name="Value">ECDSA signature over the canonical form of the certificate, DER.</param>
internal sealed record CertificateSignature(string Algorithm, byte[] PublicKey, IReadOnlyList<byte[]> Chain, byte[] Value);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true,
    WriteIndented = true)]
[JsonSerializable(typeof(CertificateBody))]
[JsonSerializable(typeof(CertificateFile))]
internal sealed partial class CertificateContext : JsonSerializerContext;
