using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>How the layers of a chain are converted, on its way into the record and back.</summary>
internal static class ChainTerms
{
    public static ChainRecord RecordOf(ReencryptionOptions options, ReencryptionMode mode, ChainRecordLayer[] layers) => new()
    {
        Mode = mode,
        Layers = layers,
        Resilience = options.Resilience,
        Version = options.Version,
        Cipher = options.Encryption.Cipher.ToString(),
        KeySize = options.Encryption.KeySize,
        Hash = options.Encryption.Hash,
        SectorSize = options.Encryption.SectorSize,
        Cost = ChainRecordCost.Of(options.Encryption.Cost),
        LeaveHoles = options.LeaveHoles,
        WipeFreed = options.WipeFreed,
        DropOtherSlots = options.DropOtherSlots,
    };

    public static ReencryptionOptions Of(ChainRecord record, ReencryptionOptions options) => options with
    {
        Resilience = record.Resilience,
        Version = record.Version,
        Encryption = options.Encryption with
        {
            Cipher = CipherSpec.Parse(record.Cipher),
            KeySize = record.KeySize,
            Hash = record.Hash,
            SectorSize = record.SectorSize,
            Cost = record.Cost.ToCost(),
        },
        LeaveHoles = record.LeaveHoles,
        // Who asks for it later gets it of what is left.
        WipeFreed = record.WipeFreed || options.WipeFreed,
        DropOtherSlots = record.DropOtherSlots,
    };
}
