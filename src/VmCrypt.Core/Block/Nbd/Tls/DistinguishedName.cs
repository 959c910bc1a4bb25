using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A subject as GnuTLS writes it, and so as QEMU's authorisation rules spell it.</summary>
/// <remarks>
/// In the certificate's own order, <c>,</c> between names and <c>+</c> within one, values escaped as in RFC 4514; what GnuTLS
/// has no word for is its object identifier and the value's DER in hexadecimal.
/// </remarks>
internal static class DistinguishedName
{
    private static readonly Dictionary<string, string> s_words = new(StringComparer.Ordinal)
    {
        ["2.5.4.3"] = "CN",
        ["2.5.4.4"] = "surName",
        ["2.5.4.5"] = "serialNumber",
        ["2.5.4.6"] = "C",
        ["2.5.4.7"] = "L",
        ["2.5.4.8"] = "ST",
        ["2.5.4.9"] = "street",
        ["2.5.4.10"] = "O",
        ["2.5.4.11"] = "OU",
        ["2.5.4.12"] = "title",
        ["2.5.4.13"] = "description",
        ["2.5.4.15"] = "businessCategory",
        ["2.5.4.17"] = "postalCode",
        ["2.5.4.20"] = "telephoneNumber",
        ["2.5.4.41"] = "name",
        ["2.5.4.42"] = "givenName",
        ["2.5.4.43"] = "initials",
        ["2.5.4.44"] = "generationQualifier",
        ["2.5.4.46"] = "dnQualifier",
        ["2.5.4.65"] = "pseudonym",
        ["0.9.2342.19200300.100.1.1"] = "UID",
        ["0.9.2342.19200300.100.1.25"] = "DC",
        ["1.2.840.113549.1.9.1"] = "EMAIL",
    };

    /// <exception cref="CryptographicException">A value holds a NUL or is malformed: it could be taken for another.</exception>
    public static string ToText(X500DistinguishedName name)
    {
        try
        {
            var text = new StringBuilder();
            for (AsnReader names = new AsnReader(name.RawData, AsnEncodingRules.DER).ReadSequence(); names.HasData;)
            {
                char separator = ',';
                for (AsnReader parts = names.ReadSetOf(skipSortOrderValidation: true); parts.HasData; separator = '+')
                {
                    AsnReader part = parts.ReadSequence();
                    text.Append(text.Length > 0 ? $"{separator}" : null).Append(Part(part.ReadObjectIdentifier(), part.ReadEncodedValue()));
                }
            }

            return text.ToString();
        }
        catch (AsnContentException fault)
        {
            throw new CryptographicException("The certificate's subject is malformed.", fault);
        }
    }

    private static string Part(string id, ReadOnlyMemory<byte> value) => s_words.TryGetValue(id, out string? word)
        ? $"{word}={Value(value)}"
        : $"{id}=#{Convert.ToHexStringLower(value.Span)}";

    private static string Value(ReadOnlyMemory<byte> der)
    {
        var reader = new AsnReader(der, AsnEncodingRules.DER);
        UniversalTagNumber kind = (UniversalTagNumber)reader.PeekTag().TagValue;
        string value = reader.ReadCharacterString(kind);
        return value.Contains('\0', StringComparison.Ordinal)
            ? throw new CryptographicException("The certificate's subject holds a NUL.")
            : Escape(value);
    }

    private static string Escape(string value)
    {
        var escaped = new StringBuilder(value.Length);
        for (int i = 0; i < value.Length; i++)
        {
            bool special = value[i] is ',' or '+' or '"' or '\\' or '<' or '>' or ';'
                || (i == 0 && value[i] is '#' or ' ')
                || (i == value.Length - 1 && value[i] == ' ');
            escaped.Append(special ? "\\" : null).Append(value[i]);
        }

        return escaped.ToString();
    }
}
