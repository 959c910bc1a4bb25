using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>The exports of a server by name, and what it offers for each.</summary>
internal sealed class NbdExportTable
{
    private readonly Dictionary<string, NbdExport> _byName = new(StringComparer.Ordinal);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: no export, two of one name, or a text that is too long.</exception>
    public NbdExportTable(IReadOnlyList<NbdExport> exports)
    {
        All = exports;
        foreach (NbdExport export in exports)
        {
            RequireText(export.Name, "name");
            RequireText(export.Description, "description");
            RequireAlignment(export);
            if (!_byName.TryAdd(export.Name, export))
            {
                throw new InvalidInputException(ErrorIds.InvalidParameter, $"Two NBD exports have the name '{export.Name}'.");
            }
        }

        if (exports.Count == 0)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An NBD server needs at least one export.");
        }
    }

    public IReadOnlyList<NbdExport> All { get; }

    public NbdExport? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>What clients of the export are told; every connection works on the one device, so all see each other's writes.</summary>
    public static NbdAgreement Offer(NbdExport export, bool structuredReplies)
    {
        BlockTraits traits = export.Device.Traits;
        NbdTransmissionFlags flags = NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.CanMultiConn
            | NbdTransmissionFlags.SendFlush | NbdTransmissionFlags.SendFua | NbdTransmissionFlags.SendCache;
        flags |= export.ReadOnly || !traits.CanWrite
            ? NbdTransmissionFlags.ReadOnly
            : NbdTransmissionFlags.SendWriteZeroes | NbdTransmissionFlags.SendFastZero;
        if (traits.CanTrim && !flags.HasFlag(NbdTransmissionFlags.ReadOnly))
        {
            flags |= NbdTransmissionFlags.SendTrim;
        }

        if (structuredReplies)
        {
            flags |= NbdTransmissionFlags.SendDoNotFragment;
        }

        return new NbdAgreement(export.Device.Length, flags)
        {
            MinimumBlock = traits.RequiredAlignment,
            PreferredBlock = Math.Clamp(traits.PreferredBlock, Math.Max(512, traits.RequiredAlignment), NbdLimits.MaxPayload),
        };
    }

    private static void RequireText(string text, string what)
    {
        if (!NbdText.IsValid(text))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"The {what} of an NBD export has a NUL, half a character or more than {NbdLimits.MaxString} bytes.");
        }
    }

    private static void RequireAlignment(NbdExport export)
    {
        int alignment = export.Device.Traits.RequiredAlignment;
        if (alignment > NbdLimits.MaxMinimumBlock)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"The device of NBD export '{export.Name}' wants blocks of {alignment} bytes; NBD knows up to {NbdLimits.MaxMinimumBlock}.");
        }
    }
}
