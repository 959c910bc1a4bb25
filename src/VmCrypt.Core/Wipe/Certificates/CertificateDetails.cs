namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>What a certificate says that only people know; the fields of NIST SP 800-88 beyond the technical ones.</summary>
public sealed record CertificateDetails
{
    public static CertificateDetails None { get; } = new();

    public string? Organisation { get; init; }

    public string? Customer { get; init; }

    /// <summary>The medium's number in the organisation's own inventory.</summary>
    public string? PropertyNumber { get; init; }

    public string? Manufacturer { get; init; }

    /// <summary>Whose, or which machine's, the medium was.</summary>
    public string? MediaSource { get; init; }

    /// <summary>The confidentiality of what it held.</summary>
    public string? CategoryBefore { get; init; }

    public string? CategoryAfter { get; init; }

    /// <summary>Where it goes next.</summary>
    public string? Destination { get; init; }

    public string? Location { get; init; }

    public CertificatePerson? Sanitizer { get; init; }

    public CertificatePerson? Verifier { get; init; }

    public string? Notes { get; init; }
}

public sealed record CertificatePerson(string Name, string? Title = null, string? Phone = null);
