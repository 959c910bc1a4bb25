using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks1;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What keeps a LUKS2 header from being written as LUKS1: one rule a row, those of single slots after those of the whole.</summary>
internal static class Luks1Compatibility
{
    // The offset of the payload is stored as 32 bits of sectors.
    private const long MaxPayloadOffset = uint.MaxValue * (long)Luks2Layout.SectorSize;

    private static readonly (string ErrorId, Func<Luks2Metadata, Luks2Terms, string?> Violation)[] s_rules =
    [
        (ErrorIds.ConversionPayload, (_, terms) => Payload(terms.Payload)),
        (ErrorIds.ConversionTokens, (metadata, _) => metadata.Tokens.IsEmpty
            ? null
            : $"The header has {metadata.Tokens.Length} tokens, which LUKS1 does not have; export and remove them first."),
        (ErrorIds.ConversionUnbound, (metadata, terms) => Slots(metadata, slot => slot.IsLuks2 && metadata.DigestOfKeyslot(slot.Number)?.Number == terms.DigestNumber
            ? null
            : "holds a key of its own, which LUKS1 does not have; remove it first.")),
        (ErrorIds.ConversionSlotNumber, (metadata, _) => Slots(metadata, slot => slot.Number < Luks1Layout.SlotCount
            ? null
            : $"is beyond the {Luks1Layout.SlotCount} slots of LUKS1; give its passphrase one of those first.")),
        (ErrorIds.ConversionKdf, (metadata, _) => Slots(metadata, slot => slot.Kdf!.Type == Luks2Kdf.Pbkdf2Type
            ? null
            : $"has {slot.Kdf.Type}, but LUKS1 has PBKDF2 only; change its passphrase with PBKDF2 first.")),
        (ErrorIds.ConversionHash, (metadata, terms) => Slots(metadata, slot => Hash(slot, HashKinds.NameOf(terms.Digest.Hash)))),
        (ErrorIds.ConversionSlotCipher, (metadata, terms) => Slots(metadata, slot => SlotCipher(slot, terms.Payload))),
    ];

    /// <exception cref="RefusedException">The id of the first rule that is broken.</exception>
    public static void Require(Luks2Metadata metadata, Luks2Terms terms)
    {
        foreach ((string errorId, Func<Luks2Metadata, Luks2Terms, string?> violation) in s_rules)
        {
            if (violation(metadata, terms) is { } sentence)
            {
                throw new RefusedException(errorId, sentence);
            }
        }
    }

    private static string? Payload(LuksPayload payload) => payload switch
    {
        { SectorSize: not Luks1Layout.SectorSize } => $"The payload has sectors of {payload.SectorSize} bytes, but LUKS1 has {Luks1Layout.SectorSize} only; copy the disk to a new one instead.",
        { IvOffset: not 0 } => $"The payload's IVs begin with {payload.IvOffset}, but those of LUKS1 with 0.",
        { Length: { } length } => $"The payload has a fixed size of {length} bytes, but that of LUKS1 goes on to the end of the device.",
        { Offset: > MaxPayloadOffset } => $"The payload starts at byte {payload.Offset}, but that of LUKS1 at {MaxPayloadOffset} at most.",
        _ => null,
    };

    private static string? Hash(Luks2Keyslot slot, string hash) => slot.Kdf!.Hash == hash && slot.Splitter!.Hash == hash
        ? null
        : $"has the hashes {slot.Kdf.Hash} and {slot.Splitter!.Hash}, the volume key's digest {hash}, but LUKS1 has one for all.";

    private static string? SlotCipher(Luks2Keyslot slot, LuksPayload payload) =>
        Luks2Terms.CipherOf(slot.Area.Cipher!) == payload.Cipher && slot.Area.KeySize == payload.KeySize && slot.KeySize == payload.KeySize
            && slot.Area.Size >= (ulong)KeyMaterial.Length(payload.KeySize) && slot.Area.Offset % Luks2Layout.SectorSize == 0
            ? null
            : $"is encrypted with {slot.Area.Cipher} and {slot.Area.KeySize * 8} bits, but in LUKS1 with {payload.Cipher} and {payload.KeySize * 8} like the payload.";

    private static string? Slots(Luks2Metadata metadata, Func<Luks2Keyslot, string?> violation) => metadata.Keyslots
        .Select(slot => violation(slot) is { } what ? $"Key slot {slot.Number} {what}" : null)
        .FirstOrDefault(sentence => sentence is not null);
}
