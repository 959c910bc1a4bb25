using System.Text.Json;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>A signed statement of what a wipe did; JSON for machines, a page for people.</summary>
public sealed class WipeCertificate
{
    private const int MaxBytes = 16 << 20;

    private static readonly JsonDocumentOptions s_reader = new() { MaxDepth = 32, AllowDuplicateProperties = false };

    private WipeCertificate(CertificateFile file, CertificateBody body)
    {
        File = file;
        Body = body;
    }

    public Guid Id => Body.Id;

    public WipeStatus Status => Body.Status;

    public string Target => Body.Medium.Path;

    public string Standard => Body.Method.Standard;

    public DateTimeOffset Issued => Body.Issued;

    /// <summary>SHA-256 of the signer's public key.</summary>
    public string SignerFingerprint => CertificateSigner.FingerprintOf(File.Signature.PublicKey);

    internal CertificateFile File { get; }

    internal CertificateBody Body { get; }

    /// <summary>States and signs what <paramref name="result"/> says.</summary>
    public static WipeCertificate Issue(WipeResult result, CertificateDetails details, CertificateSigner signer, TimeProvider? clock = null)
    {
        var body = CertificateBody.Of(result, details, (clock ?? TimeProvider.System).GetUtcNow());
        JsonElement statement = JsonSerializer.SerializeToElement(body, CertificateContext.Default.CertificateBody);
        return new WipeCertificate(new CertificateFile(statement, signer.Sign(CanonicalJson.Of(statement))), body);
    }

    /// <summary>Reads a certificate; of a page, the data that it carries. Says nothing about the signature.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CertificateInvalid"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public static async Task<WipeCertificate> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes } large)
            {
                throw Invalid(path, $"it has {large.Length} bytes, and a certificate has at most {MaxBytes}");
            }

            return Parse(await System.IO.File.ReadAllTextAsync(path, cancellationToken), path);
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Reading", path);
        }
    }

    /// <summary>The certificate as its JSON file.</summary>
    public string ToJson() => JsonSerializer.Serialize(File, CertificateContext.Default.CertificateFile) + "\n";

    /// <summary>The certificate as a self-contained page that prints on one sheet and carries the JSON within.</summary>
    public string ToHtml() => CertificatePage.Render(this);

    /// <summary>Writes the JSON, or the page where the name ends in <c>.html</c>; the file appears only when it is complete.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    public async Task WriteAsync(string path, bool replace, CancellationToken cancellationToken)
    {
        bool page = Path.GetExtension(path).ToLowerInvariant() is ".html" or ".htm";
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(page ? ToHtml() : ToJson());
        await using PendingFile pending = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = bytes.Length }, replace, cancellationToken);
        await pending.Device.WriteAsync(0, bytes, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }

    internal static WipeCertificate Parse(string text, string name)
    {
        try
        {
            string json = CertificatePage.DataOf(text) ?? text;
            using JsonDocument document = JsonDocument.Parse(json, s_reader);
            CertificateFile file = document.RootElement.Deserialize(CertificateContext.Default.CertificateFile) ?? throw Invalid(name, "it is empty");
            file = file with { Certificate = file.Certificate.Clone() };
            CertificateBody body = file.Certificate.Deserialize(CertificateContext.Default.CertificateBody) ?? throw Invalid(name, "it states nothing");
            return body is { Format: CertificateBody.FormatName, Version: 1 }
                ? new WipeCertificate(file, body)
                : throw Invalid(name, $"its format is '{body.Format}' {body.Version}, not '{CertificateBody.FormatName}' 1");
        }
        catch (Exception fault) when (fault is JsonException or FormatException)
        {
            throw new InvalidInputException(ErrorIds.CertificateInvalid, $"'{name}' is no wipe certificate: {fault.Message}", fault);
        }
    }

    private static InvalidInputException Invalid(string name, string how) => new(ErrorIds.CertificateInvalid, $"'{name}' is no wipe certificate: {how}.");
}
