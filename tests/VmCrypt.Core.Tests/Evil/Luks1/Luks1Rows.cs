using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Evil.Luks1;

/// <summary>Good LUKS1 headers with one field changed, and what must come of each.</summary>
/// <remarks>The header is aes-xts-plain64, 512-bit key, sha256, payload at sector 4096, slot 0 active, slots at 8, 512, 1016, …</remarks>
public static class Luks1Rows
{
    private const int Version = 6;
    private const int CipherName = 8;
    private const int CipherMode = 40;
    private const int HashSpec = 72;
    private const int PayloadOffset = 104;
    private const int KeyBytes = 108;
    private const int DigestIterations = 164;

    // Within a slot's entry.
    private const int State = 0;
    private const int Iterations = 4;
    private const int Offset = 40;
    private const int Stripes = 44;

    private static readonly Dictionary<string, (string ErrorId, Action<byte[]> Change)> s_rows = new(StringComparer.Ordinal)
    {
        ["magic with one bit flipped"] = (ErrorIds.NotLuks, header => header[5] ^= 1),
        ["magic of a secondary LUKS2 header"] = (ErrorIds.NotLuks, header => "SKUL"u8.CopyTo(header)),
        ["version 0"] = (ErrorIds.LuksVersionUnsupported, header => Put16(header, Version, 0)),
        ["version 3"] = (ErrorIds.LuksVersionUnsupported, header => Put16(header, Version, 3)),
        ["version in the wrong byte order"] = (ErrorIds.LuksVersionUnsupported, header => Put16(header, Version, 0x0100)),

        ["cipher name without NUL"] = (ErrorIds.Luks1CipherNameInvalid, header => header.AsSpan(CipherName, 32).Fill((byte)'a')),
        ["cipher name empty"] = (ErrorIds.Luks1CipherNameInvalid, header => Put(header, CipherName, "")),
        ["cipher name with a line feed"] = (ErrorIds.Luks1CipherNameInvalid, header => Put(header, CipherName, "aes\n")),
        ["cipher name with a space"] = (ErrorIds.Luks1CipherNameInvalid, header => Put(header, CipherName, "a es")),
        ["cipher name with a byte that is not ASCII"] = (ErrorIds.Luks1CipherNameInvalid, header => header[CipherName] = 0xC3),
        ["cipher unknown"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherName, "aess")),
        ["cipher that encrypts nothing"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherName, "cipher_null")),
        ["cipher given as a number"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherName, "0")),
        ["cipher given as a list"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherName, "aes,aes")),
        ["cipher with 8-byte blocks under xts"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherName, "cast5")),

        ["mode without NUL"] = (ErrorIds.Luks1CipherModeInvalid, header => header.AsSpan(CipherMode, 32).Fill((byte)'x')),
        ["mode empty"] = (ErrorIds.Luks1CipherModeInvalid, header => Put(header, CipherMode, "")),
        ["mode unknown"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xfs-plain64")),
        ["mode alone that needs an IV"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts")),
        ["mode with the wrong separator"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts:plain64")),
        ["IV generator empty"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts-")),
        ["IV generator unknown"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts-plain65")),
        ["IV generator of another machine"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "lrw-benbi")),
        ["plain64be with a hash"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts-plain64be:sha256")),
        ["essiv without a hash"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "cbc-essiv")),
        ["essiv with an empty hash"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "cbc-essiv:")),
        ["essiv with an unknown hash"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "cbc-essiv:sha257")),
        ["essiv with a hash that makes no key of the cipher"] = (ErrorIds.CipherUnsupported, header => Put(header, CipherMode, "xts-essiv:sha512")),

        ["hash without NUL"] = (ErrorIds.Luks1HashSpecInvalid, header => header.AsSpan(HashSpec, 32).Fill((byte)'h')),
        ["hash empty"] = (ErrorIds.Luks1HashSpecInvalid, header => Put(header, HashSpec, "")),
        ["hash unknown"] = (ErrorIds.HashUnsupported, header => Put(header, HashSpec, "sha2566")),
        ["hash too short for the digest"] = (ErrorIds.HashUnsupported, header => Put(header, HashSpec, "md5")),
        ["hash given as a list"] = (ErrorIds.HashUnsupported, header => Put(header, HashSpec, "sha1,sha224")),

        ["payload offset 0"] = (ErrorIds.Luks1PayloadOffsetInvalid, header => Put32(header, PayloadOffset, 0)),
        ["payload in the header"] = (ErrorIds.Luks1PayloadOffsetInvalid, header => Put32(header, PayloadOffset, 1)),
        ["payload in the first key material"] = (ErrorIds.Luks1SlotInPayload, header => Put32(header, PayloadOffset, 9)),
        ["payload one sector into the last key material"] = (ErrorIds.Luks1SlotInPayload, header => Put32(header, PayloadOffset, 4035)),
        ["payload behind the end"] = (ErrorIds.LuksPayloadBeyondEnd, header => Put32(header, PayloadOffset, 4098)),
        ["payload offset at its maximum"] = (ErrorIds.LuksPayloadBeyondEnd, header => Put32(header, PayloadOffset, uint.MaxValue)),

        ["key of 0 bytes"] = (ErrorIds.Luks1KeyBytesInvalid, header => Put32(header, KeyBytes, 0)),
        ["key of 2^31 bytes"] = (ErrorIds.Luks1KeyBytesInvalid, header => Put32(header, KeyBytes, 0x80000000)),
        ["key of 2^32-1 bytes"] = (ErrorIds.Luks1KeyBytesInvalid, header => Put32(header, KeyBytes, uint.MaxValue)),
        ["key above the limit"] = (ErrorIds.Luks1KeyBytesInvalid, header => Put32(header, KeyBytes, 4097)),
        ["key of a size that xts does not have"] = (ErrorIds.Luks1KeyBytesInvalid, header => Put32(header, KeyBytes, 33)),
        ["key so large that the slots overlap"] = (ErrorIds.Luks1SlotsOverlap, header => Put32(header, KeyBytes, 65)),
        ["key so large that a slot reaches the payload"] = (ErrorIds.Luks1SlotInPayload, header => Put32(header, KeyBytes, 4096)),

        ["digest with 0 iterations"] = (ErrorIds.Luks1DigestIterationsInvalid, header => Put32(header, DigestIterations, 0)),
        ["digest with 2^31 iterations"] = (ErrorIds.KdfCostTooHigh, header => Put32(header, DigestIterations, 0x80000000)),

        ["active slot with 0 iterations"] = (ErrorIds.Luks1SlotIterationsInvalid, header => PutSlot(header, 0, Iterations, 0)),
        ["active slot with 2^32-1 iterations"] = (ErrorIds.KdfCostTooHigh, header => PutSlot(header, 0, Iterations, uint.MaxValue)),
        ["slot state 0"] = (ErrorIds.Luks1SlotStateInvalid, header => PutSlot(header, 7, State, 0)),
        ["slot state of cryptsetup's first versions"] = (ErrorIds.Luks1SlotStateInvalid, header => PutSlot(header, 1, State, 0xCAFE)),
        ["slot state with one bit flipped"] = (ErrorIds.Luks1SlotStateInvalid, header => PutSlot(header, 0, State, 0x00AC71F2)),
        ["3999 stripes"] = (ErrorIds.Luks1StripesInvalid, header => PutSlot(header, 0, Stripes, 3999)),
        ["4001 stripes"] = (ErrorIds.Luks1StripesInvalid, header => PutSlot(header, 0, Stripes, 4001)),
        ["2^32-1 stripes"] = (ErrorIds.Luks1StripesInvalid, header => PutSlot(header, 0, Stripes, uint.MaxValue)),
        ["0 stripes in an inactive slot"] = (ErrorIds.Luks1StripesInvalid, header => PutSlot(header, 5, Stripes, 0)),
        ["slot at sector 0"] = (ErrorIds.Luks1SlotInHeader, header => PutSlot(header, 0, Offset, 0)),
        ["slot at sector 1"] = (ErrorIds.Luks1SlotInHeader, header => PutSlot(header, 3, Offset, 1)),
        ["slot in the payload"] = (ErrorIds.Luks1SlotInPayload, header => PutSlot(header, 0, Offset, 4096 + 42)),
        ["last slot one sector too far"] = (ErrorIds.Luks1SlotInPayload, header => PutSlot(header, 7, Offset, 3597)),
        ["slot at sector 2^32-1"] = (ErrorIds.Luks1SlotInPayload, header => PutSlot(header, 2, Offset, uint.MaxValue)),
        ["two slots in one place"] = (ErrorIds.Luks1SlotsOverlap, header => PutSlot(header, 0, Offset, 512)),
        ["two slots that share a sector"] = (ErrorIds.Luks1SlotsOverlap, header => PutSlot(header, 1, Offset, 507)),
    };

    public static IEnumerable<string> Names => s_rows.Keys;

    /// <summary>Changes the header and returns the id that opening it must give.</summary>
    public static string Apply(string name, byte[] header)
    {
        (string errorId, Action<byte[]> change) = s_rows[name];
        byte[] before = [.. header];
        change(header);
        Assert.NotEqual(before, header);
        return errorId;
    }

    private static void Put(byte[] header, int offset, string text)
    {
        header.AsSpan(offset, 32).Clear();
        Encoding.ASCII.GetBytes(text, header.AsSpan(offset));
    }

    private static void Put16(byte[] header, int offset, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(offset), value);

    private static void Put32(byte[] header, int offset, uint value) => BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(offset), value);

    private static void PutSlot(byte[] header, int slot, int offset, uint value) => Put32(header, 208 + (48 * slot) + offset, value);
}
