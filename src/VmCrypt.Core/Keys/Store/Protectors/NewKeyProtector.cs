using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>A protector that is to be made.</summary>
public sealed record NewKeyProtector
{
    private NewKeyProtector(KeyProtectorKind kind) => Kind = kind;

    public KeyProtectorKind Kind { get; }

    /// <summary>Borrowed.</summary>
    internal SecretBuffer? Passphrase { get; private init; }

    /// <summary>What one guess of the passphrase is to cost.</summary>
    internal KdfCost Cost { get; private init; } = KdfCost.Default;

    internal string? KeyFile { get; private init; }

    internal IReadOnlyList<int> Registers { get; private init; } = [];

    /// <summary>A master passphrase; borrowed until the protector is made.</summary>
    /// <param name="cost">What one guess is to cost, in Argon2id.</param>
    public static NewKeyProtector OfPassphrase(SecretBuffer passphrase, KdfCost cost) =>
        new(KeyProtectorKind.Passphrase) { Passphrase = passphrase, Cost = cost };

    /// <summary>A key file at a full path; made if it is not there.</summary>
    public static NewKeyProtector OfKeyFile(string path) => new(KeyProtectorKind.KeyFile) { KeyFile = path };

    /// <summary>The TPM 2.0 of this host.</summary>
    /// <param name="registers">The platform configuration registers (SHA-256) that must stand as they do now; empty for none.</param>
    public static NewKeyProtector OfTpm(IReadOnlyList<int> registers) => new(KeyProtectorKind.Tpm) { Registers = registers };

    /// <summary>The data protection of Windows, for the account that runs this.</summary>
    public static NewKeyProtector OfDpapi() => new(KeyProtectorKind.Dpapi);
}

/// <summary>A protector, as far as it is visible without a key.</summary>
/// <param name="Detail">What it depends on: the key file, the cost of the passphrase, the registers of the TPM.</param>
public sealed record KeyProtectorFacts(Guid Id, KeyProtectorKind Kind, DateTimeOffset Created, string Detail);
