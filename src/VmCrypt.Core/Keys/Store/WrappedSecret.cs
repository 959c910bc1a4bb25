using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;

namespace VmCrypt.Core.Keys.Store;

/// <summary>Which of the secrets of a record: a wrapped secret is bound to its role, so that the two cannot change places.</summary>
internal enum SecretRole : byte
{
    Current = 1,

    /// <summary>Stored before the slot changes, confirmed afterwards.</summary>
    Pending = 2,
}

/// <summary>A secret under AES-256-GCM; without the store's key it is noise.</summary>
/// <param name="Slot">The key slot that it opens; null where nobody knows.</param>
internal sealed record WrappedSecret(SecretRole Role, int? Slot, byte[] Nonce, byte[] Tag, byte[] Ciphertext)
{
    public const int NonceSize = 12;
    public const int TagSize = 16;

    /// <summary>The longest secret that libvirt takes; a longer key file is no passphrase of a disk.</summary>
    public const int MaxSecret = 32 * 1024;

    private const int NoSlot = 0xFFFF;
    private const int MaxSlot = 31;

    public byte[] ToBytes()
    {
        var writer = new FieldWriter();
        writer.Byte((byte)Role);
        writer.UInt16((ushort)(Slot ?? NoSlot));
        writer.Bytes(Nonce);
        writer.Bytes(Tag);
        writer.Block(Ciphertext);
        return writer.ToArray();
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    public static WrappedSecret Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        WrappedSecret secret = Parse(ref reader);
        reader.RequireEnd("A wrapped secret");
        return secret;
    }

    public static WrappedSecret Parse(ref FieldReader reader)
    {
        byte role = reader.Byte(nameof(Role));
        if (role is not ((byte)SecretRole.Current or (byte)SecretRole.Pending))
        {
            throw FieldReader.Damaged($"A wrapped secret has the role {role}; it is 1 or 2");
        }

        int slot = reader.UInt16(nameof(Slot));
        if (slot is > MaxSlot and not NoSlot)
        {
            throw FieldReader.Damaged($"A wrapped secret names the key slot {slot}; it is 0 to {MaxSlot}");
        }

        return new WrappedSecret(
            (SecretRole)role,
            slot == NoSlot ? null : slot,
            reader.Bytes(nameof(Nonce), NonceSize).ToArray(),
            reader.Bytes(nameof(Tag), TagSize).ToArray(),
            reader.Block(nameof(Ciphertext), MaxSecret).ToArray());
    }
}
