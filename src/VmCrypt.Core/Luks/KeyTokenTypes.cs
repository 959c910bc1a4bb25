namespace VmCrypt.Core.Luks;

/// <summary>The types of tokens that are known here.</summary>
public static class KeyTokenTypes
{
    /// <summary>A JWE whose policy <c>clevis</c> fulfils: a tang server, a TPM, or some of several.</summary>
    public const string Clevis = "clevis";

    /// <summary>A passphrase in the kernel's keyring.</summary>
    public const string Keyring = "luks2-keyring";

    /// <summary>A recovery key on paper.</summary>
    public const string Recovery = "systemd-recovery";

    public const string Tpm2 = "systemd-tpm2";

    public const string Fido2 = "systemd-fido2";

    public const string Pkcs11 = "systemd-pkcs11";

    /// <summary>What cryptsetup keeps for its own types.</summary>
    internal const string ReservedPrefix = "luks2-";

    /// <summary>Whether a machine chose what a token of this type opens its slots with, so that nobody guesses it whatever a try costs.</summary>
    public static bool HoldsRandomKey(string type) => type is Clevis or Recovery or Tpm2 or Fido2 or Pkcs11;
}
