using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Opens the layers of a disk by the keys that were given.</summary>
internal static class LayerKeys
{
    /// <summary>Gives each layer its cipher. One behind the active image that the keys do not open stays without, and is noted.</summary>
    /// <exception cref="WrongKeyException">The active image does not open.</exception>
    public static async ValueTask OpenAsync(
        StackImage active, List<ProofLayer> layers, DiskKeys keys, ProofNotes notes, CancellationToken cancellationToken)
    {
        foreach (StackImage image in active.Chain().Where(image => image.Placement != EncryptionPlacement.None))
        {
            bool isActive = ReferenceEquals(image, active);
            try
            {
                ImageCipher opened = await image.OpenCipherAsync(isActive ? keys : keys.Behind(), cancellationToken);
                Share(opened, image, [.. layers.Where(layer => BelongsTo(layer, image, active))]);
            }
            catch (Exception refused) when (!isActive && refused is WrongKeyException or InvalidInputException)
            {
                notes.Unopened.Add($"{image.Location}: {refused.Message}");
            }
        }
    }

    private static bool BelongsTo(ProofLayer layer, StackImage image, StackImage active) =>
        layer.Role != LayerRole.Header && (active.VirtualDisk is not null || ReferenceEquals(layer.Location, image.Location));

    // Ciphers serve any number of threads, but have one owner.
    private static void Share(ImageCipher opened, StackImage image, ProofLayer[] layers)
    {
        foreach ((int index, ProofLayer layer) in layers.Index())
        {
            layer.Key = new LayerKey(opened.Cipher, opened.IvOffset, layer.IvIsOfHost, opened.Slot, IsOwner: index == 0)
            {
                IsProven = image.Placement != EncryptionPlacement.LegacyAes,
            };
        }
    }
}
