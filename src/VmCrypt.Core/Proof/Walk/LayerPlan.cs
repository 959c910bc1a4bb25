using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Finds the files of a disk and what each byte of them is for.</summary>
internal static class LayerPlan
{
    /// <summary>All layers, the active one first. Reads tables, needs no key.</summary>
    public static async ValueTask<List<ProofLayer>> OfAsync(StackImage active, CancellationToken cancellationToken)
    {
        var layers = new List<ProofLayer>();
        foreach (StackImage image in active.Chain())
        {
            // The parents of a virtual disk hold parts of its one guest's view, which is encrypted, or not, as a whole.
            StackImage owner = active.VirtualDisk is null ? image : active;
            await AddAsync(layers, image, owner, ReferenceEquals(image, active) ? LayerRole.Active : LayerRole.Backing, cancellationToken);
        }

        return layers;
    }

    private static async ValueTask AddAsync(
        List<ProofLayer> layers, StackImage image, StackImage owner, LayerRole role, CancellationToken cancellationToken)
    {
        HostMap? map = image.Contents is IHostMapped mapped ? await mapped.MapHostAsync(cancellationToken) : null;
        layers.Add(Layer(image.Storage, role, map is null ? RawAreas(image) : ContainerAreas(owner, map.Areas), map?.Defects ?? []));
        if (map?.DataFile is { } areas)
        {
            layers.Add(Layer(image.Qcow2!.DataFile!, LayerRole.DataFile, ContainerAreas(owner, areas), []));
        }

        if (image is { Placement: EncryptionPlacement.Detached, Luks: { } luks, LuksArea: { } header })
        {
            layers.Add(Layer(header, LayerRole.Header, HeaderAreas.Of(luks, 0, header.Length), []));
        }

        ProofLayer Layer(IBlockDevice file, LayerRole role, IEnumerable<HostArea> areas, IReadOnlyList<string> defects) => new()
        {
            Location = image.Location,
            Role = role,
            Format = image.Format,
            Encryption = owner.Placement,
            Cipher = owner.Luks?.Facts.Cipher ?? (owner.Placement == EncryptionPlacement.LegacyAes ? "aes-cbc-plain64" : null),
            File = file,
            Areas = areas,
            Defects = defects,
            ClusterSize = role is LayerRole.Active or LayerRole.Backing ? image.Qcow2?.Facts.ClusterSize ?? 0 : 0,
        };
    }

    private static IEnumerable<HostArea> RawAreas(StackImage image) => image.Luks is { } header
        ? HeaderAreas.WithPayload(header, image.Placement == EncryptionPlacement.Detached, image.Storage.Length)
        : [new HostArea(0, image.Storage.Length, HostUse.Data, 0)];

    private static IEnumerable<HostArea> ContainerAreas(StackImage owner, IEnumerable<HostArea> areas) => owner switch
    {
        { Placement: EncryptionPlacement.Over, Luks: { } header } => HeaderAreas.Through(header, areas),
        { Placement: EncryptionPlacement.Detached, Luks.Payload.Offset: > 0 and var skipped } =>
            areas.Select(area => area.Guest < skipped ? area with { Guest = -1 } : area with { Guest = area.Guest - skipped }),
        { Placement: EncryptionPlacement.Inside, Luks: { } header } => areas.SelectMany(area =>
            area.Use == HostUse.EncryptionHeader ? HeaderAreas.Of(header, area.Offset, area.Length) : [area]),
        _ => areas,
    };
}
