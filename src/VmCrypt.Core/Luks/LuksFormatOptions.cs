using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks;

/// <summary>The header that <see cref="LuksHeader.FormatAsync"/> is to make.</summary>
public sealed record LuksFormatOptions
{
    public static LuksFormatOptions Default { get; } = new();

    public LuksVersion Version { get; init; } = LuksVersion.Luks1;

    public LuksPlacement Placement { get; init; } = LuksPlacement.Attached;

    public CipherSpec Cipher { get; init; } = CipherSpec.Default;

    /// <summary>Bytes of the volume key; XTS takes two keys of half that size.</summary>
    public int KeySize { get; init; } = 64;

    /// <summary>For PBKDF2, the anti-forensic splitter and the digest of the volume key.</summary>
    public HashKind Hash { get; init; } = HashKind.Sha256;

    public KdfCost Cost { get; init; } = KdfCost.Default;

    /// <summary>Null for a fresh one.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>An attached payload starts at a multiple of this many bytes: 2 MiB, so that a conversion to LUKS2 finds room.</summary>
    public long PayloadAlignment { get; init; } = 4096 * 512;

    /// <summary>Borrowed; null for a fresh random key.</summary>
    public SecretBuffer? VolumeKey { get; init; }

    /// <summary>Refuse what QEMU cannot open or dies on.</summary>
    public bool ForQemu { get; init; } = true;

    /// <summary>Bytes that the header takes at the start of its device; an attached payload follows.</summary>
    /// <exception cref="Errors.InvalidInputException"><see cref="Errors.ErrorIds.KeySizeInvalid"/>, <see cref="Errors.ErrorIds.PayloadAlignmentInvalid"/>.</exception>
    public long HeaderLength => Luks1.Luks1Layout.HeaderLength(this);
}
