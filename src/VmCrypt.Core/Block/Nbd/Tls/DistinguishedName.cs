using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A subject as GnuTLS writes it, and so as QEMU's authorisation rules spell it.</summary>
/// <remarks>
/// In the certificate's own order, <c>,</c> between names and <c>+</c> within one, values escaped as in RFC 4514. What GnuTLS
/// has no word for is its object identifier, and a value of the wrong kind for its word is its DER in hexadecimal.
/// </remarks>
internal static class DistinguishedName
{
    // What X.520 and its kin want as one kind of string; the others are a DirectoryString.
    private static readonly Dictionary<string, UniversalTagNumber> s_kinds = new(StringComparer.Ordinal)
    {
        ["C"] = UniversalTagNumber.PrintableString,
        ["serialNumber"] = UniversalTagNumber.PrintableString,
        ["telephoneNumber"] = UniversalTagNumber.PrintableString,
        ["dnQualifier"] = UniversalTagNumber.PrintableString,
        ["DC"] = UniversalTagNumber.IA5String,
        ["EMAIL"] = UniversalTagNumber.IA5String,
    };

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

    private static string Part(string id, ReadOnlyMemory<byte> der) => s_words.TryGetValue(id, out string? word)
        ? $"{word}={Value(word, der)}"
        : $"{id}={Hexadecimal(der.Span)}";

    private static string Value(string word, ReadOnlyMemory<byte> der)
    {
        var reader = new AsnReader(der, AsnEncodingRules.DER);
        var kind = (UniversalTagNumber)reader.PeekTag().TagValue;
        bool fits = s_kinds.TryGetValue(word, out UniversalTagNumber only)
            ? kind == only
            : kind is UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.BMPString
                or UniversalTagNumber.TeletexString or UniversalTagNumber.UniversalString;
        return fits ? Escape(Text(reader, kind)) : Hexadecimal(der.Span);
    }

    private static string Text(AsnReader reader, UniversalTagNumber kind)
    {
        if (kind is UniversalTagNumber.TeletexString or UniversalTagNumber.UniversalString)
        {
            byte[] content = reader.PeekContentBytes().ToArray();
            return kind == UniversalTagNumber.TeletexString && Ascii.IsValid(content) ? WithoutNul(Encoding.ASCII.GetString(content)) : Hexadecimal(content);
        }

        return WithoutNul(reader.ReadCharacterString(kind));
    }

    private static string WithoutNul(string value) =>
        value.Contains('\0', StringComparison.Ordinal) ? throw new CryptographicException("The certificate's subject holds a NUL.") : value;

    private static string Hexadecimal(ReadOnlySpan<byte> bytes) => $"#{Convert.ToHexStringLower(bytes)}";

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
