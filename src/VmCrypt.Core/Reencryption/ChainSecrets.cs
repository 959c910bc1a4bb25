using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>What opens the layers of a chain, and what is to open them. Borrowed.</summary>
/// <param name="current">The passphrase of a layer as it is; in an encryption the one that it gets. Null for none.</param>
/// <param name="next">Of the new keys.</param>
internal sealed class ChainSecrets(Func<DiskLocation, SecretBuffer?> current, IReadOnlyList<SecretBuffer> next)
{
    public IReadOnlyList<SecretBuffer> Next => next;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    public SecretBuffer Of(DiskLocation layer) => current(layer)
        ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"The layer {layer} is encrypted; give its passphrase or key file.");
}
