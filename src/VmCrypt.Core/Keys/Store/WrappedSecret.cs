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

    /// <param name="expected">The role of the place where it was found: the one that it names itself opens it, and so proves nothing of the place.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    public static WrappedSecret Parse(ReadOnlySpan<byte> bytes, SecretRole expected)
    {
        var reader = new FieldReader(bytes);
        WrappedSecret secret = Parse(ref reader, expected);
        reader.RequireEnd("A wrapped secret");
        return secret;
    }

    /// <inheritdoc cref="Parse(ReadOnlySpan{byte}, SecretRole)"/>
    public static WrappedSecret Parse(ref FieldReader reader, SecretRole expected)
    {
        byte role = reader.Byte(nameof(Role));
        if (role != (byte)expected)
        {
            throw FieldReader.Damaged($"A record has a secret of the role {role} in the place of the {expected} one");
        }

        int slot = reader.UInt16(nameof(Slot));
        if (slot is > MaxSlot and not NoSlot)
        {
            throw FieldReader.Damaged($"A wrapped secret names the key slot {slot}; it is 0 to {MaxSlot}");
        }

        return new WrappedSecret(
            expected,
            slot == NoSlot ? null : slot,
            reader.Bytes(nameof(Nonce), NonceSize).ToArray(),
            reader.Bytes(nameof(Tag), TagSize).ToArray(),
            reader.Block(nameof(Ciphertext), MaxSecret).ToArray());
    }
}
