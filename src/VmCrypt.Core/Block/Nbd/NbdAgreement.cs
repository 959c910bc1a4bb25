using System.Numerics;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>What a handshake settled about one connection; both sides hold to it until the connection ends.</summary>
/// <param name="Size">Of the export, in bytes.</param>
internal sealed record NbdAgreement(long Size, NbdTransmissionFlags Flags)
{
    /// <summary>Reads are answered in chunks that name offset and length.</summary>
    public bool StructuredReplies { get; init; }

    /// <summary>The id under which base:allocation is reported; null when it was not selected.</summary>
    public uint? AllocationContext { get; init; }

    /// <summary>Bytes to which every offset and length is aligned.</summary>
    public int MinimumBlock { get; init; } = 1;

    /// <summary>Bytes in which the server works best.</summary>
    public int PreferredBlock { get; init; } = 4096;

    /// <summary>Bytes of data that one request may carry or ask for.</summary>
    public int MaximumPayload { get; init; } = NbdLimits.MaxPayload;

    public bool Has(NbdTransmissionFlags flag) => (Flags & flag) == flag;

    /// <summary>Whether another connection to the export came out the same; only the ids of contexts may differ.</summary>
    public bool IsLike(NbdAgreement other) => Neutral(this) == Neutral(other);

    /// <summary>Checks what a server claims; a client that believed all of it could be led to loop or to overflow.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.NbdExportInvalid"/>.</exception>
    public static NbdAgreement FromServer(
        ulong size, NbdTransmissionFlags flags, (uint Minimum, uint Preferred, uint MaximumPayload)? blocks)
    {
        (uint minimum, uint preferred, uint payload) = blocks ?? (1, 4096, NbdLimits.MaxPayload);
        if (size > long.MaxValue)
        {
            throw Invalid($"size {size} is above {long.MaxValue}");
        }

        if (!BitOperations.IsPow2(minimum) || minimum > NbdLimits.MaxMinimumBlock)
        {
            throw Invalid($"minimum block size {minimum} is no power of two up to {NbdLimits.MaxMinimumBlock}");
        }

        if (!BitOperations.IsPow2(preferred) || preferred < minimum)
        {
            throw Invalid($"preferred block size {preferred} is no power of two from {minimum} on");
        }

        if (payload < minimum)
        {
            throw Invalid($"maximum payload {payload} is below the minimum block size {minimum}");
        }

        // The last bytes could never be read or written; a copy of the disk would silently be short.
        if (size % minimum != 0)
        {
            throw Invalid($"size {size} is no multiple of the minimum block size {minimum}");
        }

        return new NbdAgreement((long)size, flags)
        {
            MinimumBlock = (int)minimum,
            PreferredBlock = (int)Math.Min(preferred, NbdLimits.MaxPayload),
            MaximumPayload = (int)(Math.Min(payload, NbdLimits.MaxPayload) / minimum * minimum),
        };
    }

    private static NbdAgreement Neutral(NbdAgreement agreement) =>
        agreement with { AllocationContext = agreement.AllocationContext is null ? null : 0 };

    private static ProtocolException Invalid(string what) => new(ErrorIds.NbdExportInvalid, $"The NBD server's export cannot be used: {what}.");
}
