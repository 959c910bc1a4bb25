using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>The serial numbers that an authority revoked (RFC 5280, section 5); .NET consults none that lies in a file.</summary>
internal sealed class RevocationList
{
    private static readonly Asn1Tag s_extensions = new(TagClass.ContextSpecific, 0, isConstructed: true);

    private readonly HashSet<BigInteger> _serials = [];
    private readonly byte[] _issuer;

    private RevocationList(byte[] issuer, DateTimeOffset? nextUpdate)
    {
        _issuer = issuer;
        NextUpdate = nextUpdate;
    }

    /// <summary>From then on the list says nothing that can be relied on.</summary>
    public DateTimeOffset? NextUpdate { get; }

    /// <summary>Reads a list and checks that one of the authorities signed it.</summary>
    /// <exception cref="CryptographicException">The list is malformed, of nobody we know, or of a kind that says less than it seems to.</exception>
    public static RevocationList Parse(byte[] der, X509Certificate2Collection authorities)
    {
        try
        {
            AsnReader outer = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
            ReadOnlyMemory<byte> signed = outer.PeekEncodedValue();
            AsnReader body = outer.ReadSequence();
            string algorithm = outer.ReadSequence().ReadObjectIdentifier();
            byte[] signature = outer.ReadBitString(out _);
            outer.ThrowIfNotEmpty();
            RevocationList list = ParseBody(body);
            if (!authorities.Any(authority => list.IsFrom(authority.SubjectName) && X509Signature.Verify(authority, algorithm, signed.Span, signature)))
            {
                throw new CryptographicException("no authority beside it signed the list");
            }

            return list;
        }
        catch (AsnContentException fault)
        {
            throw new CryptographicException("the list is malformed", fault);
        }
    }

    public bool IsFrom(X500DistinguishedName issuer) => issuer.RawData.AsSpan().SequenceEqual(_issuer);

    public bool Revokes(X509Certificate2 certificate) => _serials.Contains(Number(certificate.SerialNumberBytes.Span));

    /// <remarks>version, signature, issuer, thisUpdate, nextUpdate?, entries?, [0] extensions?</remarks>
    private static RevocationList ParseBody(AsnReader body)
    {
        if (body.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            body.ReadInteger();
        }

        body.ReadSequence();
        byte[] issuer = body.ReadEncodedValue().ToArray();
        ReadTime(body);
        var list = new RevocationList(issuer, body.HasData && IsTime(body.PeekTag()) ? ReadTime(body) : null);
        if (body.HasData && body.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            for (AsnReader entries = body.ReadSequence(); entries.HasData;)
            {
                AsnReader entry = entries.ReadSequence();
                list._serials.Add(Number(entry.ReadIntegerBytes().Span));
            }
        }

        if (body.HasData)
        {
            RefuseCritical(body.ReadSequence(s_extensions).ReadSequence());
        }

        return list;
    }

    // A critical extension narrows what the list covers (a delta, some reasons, another issuer): to read on as if it were whole would let somebody in.
    private static void RefuseCritical(AsnReader extensions)
    {
        while (extensions.HasData)
        {
            AsnReader extension = extensions.ReadSequence();
            string id = extension.ReadObjectIdentifier();
            if (extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && extension.ReadBoolean())
            {
                throw new CryptographicException($"the list has the critical extension {id}, which is not supported");
            }
        }
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    private static BigInteger Number(ReadOnlySpan<byte> bigEndian) => new(bigEndian, isBigEndian: true);
}
