namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The text is no cipher specification of the form algorithm-mode-iv.</summary>
    public const string CipherSpecInvalid = nameof(CipherSpecInvalid);

    /// <summary>The cipher, mode or IV generator is known, but not in this combination or not here.</summary>
    public const string CipherUnsupported = nameof(CipherUnsupported);

    /// <summary>The key's length does not fit the cipher.</summary>
    public const string KeySizeInvalid = nameof(KeySizeInvalid);

    /// <summary>The hash is not known.</summary>
    public const string HashUnsupported = nameof(HashUnsupported);

    /// <summary>The encryption sector size is none of 512, 1024, 2048, 4096.</summary>
    public const string SectorSizeInvalid = nameof(SectorSizeInvalid);

    /// <summary>The iteration count is zero or higher than any tool makes.</summary>
    public const string IterationsUnsupported = nameof(IterationsUnsupported);

    /// <summary>Memory, passes or lanes of an Argon2 cost are outside of what the function allows.</summary>
    public const string Argon2CostInvalid = nameof(Argon2CostInvalid);

    /// <summary>An Argon2 computation needs more memory than this machine has or gives.</summary>
    public const string Argon2MemoryMissing = nameof(Argon2MemoryMissing);
}
