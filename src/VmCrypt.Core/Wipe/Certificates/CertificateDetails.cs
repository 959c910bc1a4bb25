using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

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

    /// <summary>Reads them from a JSON file with these members, none of which must be there.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CertificateDetailsInvalid"/>.</exception>
    public static async Task<CertificateDetails> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            byte[] text = await File.ReadAllBytesAsync(path, cancellationToken);
            return JsonSerializer.Deserialize(text, DetailsContext.Default.CertificateDetails) ?? None;
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Reading", path);
        }
        catch (JsonException fault)
        {
            throw new InvalidInputException(ErrorIds.CertificateDetailsInvalid, $"'{path}' holds no details for a certificate: {fault.Message}", fault);
        }
    }
}

public sealed record CertificatePerson(string Name, string? Title = null, string? Phone = null);

[JsonSourceGenerationOptions(
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CertificateDetails))]
internal sealed partial class DetailsContext : JsonSerializerContext;
