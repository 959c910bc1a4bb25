using System.Globalization;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>What must be at hand for a token to open its slots, as far as the token says.</summary>
/// <param name="Kind">What it is: <c>tang</c>, <c>tpm2</c>, <c>sss</c>, <c>recovery-key</c>, <c>keyring</c>, <c>fido2</c>, <c>pkcs11</c>, or the name of a pin that is not known here.</param>
public sealed record TokenNeed(string Kind)
{
    /// <summary>tang: the server.</summary>
    public string? Url { get; init; }

    /// <summary>tpm2: the bank of platform registers.</summary>
    public string? PcrBank { get; init; }

    /// <summary>tpm2: the registers that must have the values of the time when the token was made; empty for none.</summary>
    public int[] Pcrs { get; init; } = [];

    /// <summary>tpm2: the registers whose values a signature must allow; empty for none.</summary>
    public int[] SignedPcrs { get; init; } = [];

    /// <summary>A PIN has to be typed as well.</summary>
    public bool Pin { get; init; }

    /// <summary>keyring: the description of the key; pkcs11: the URI of the key; fido2: the relying party.</summary>
    public string? Name { get; init; }

    /// <summary>sss: how many of <see cref="Parts"/> suffice; 0 for everything else.</summary>
    public int Threshold { get; init; }

    /// <summary>sss: what there is to choose from.</summary>
    public TokenNeed[] Parts { get; init; } = [];

    /// <summary>One line for people.</summary>
    public override string ToString() => Kind switch
    {
        "tang" => Url is null ? "a tang server" : $"tang {Url}",
        "tpm2" => "TPM 2.0" + Registers(", PCR ", Pcrs) + (SignedPcrs.Length > 0 ? Registers(", signed PCR ", SignedPcrs) : string.Empty) + WithPin(),
        "sss" => $"{Threshold} of ({string.Join("; ", Parts.AsEnumerable())})",
        "recovery-key" => "the printed recovery key",
        "keyring" => $"key '{Name}' in the kernel's keyring",
        "fido2" => "FIDO2 token" + (Name is null ? string.Empty : $" for {Name}") + WithPin(),
        "pkcs11" => $"PKCS#11 {Name}",
        _ => $"pin '{Kind}' of clevis",
    };

    private string Registers(string words, int[] numbers) => numbers.Length == 0
        ? string.Empty
        : words + string.Join('+', numbers.Select(number => number.ToString(CultureInfo.InvariantCulture))) + (PcrBank is null ? string.Empty : $" ({PcrBank})");

    private string WithPin() => Pin ? ", PIN" : string.Empty;
}
