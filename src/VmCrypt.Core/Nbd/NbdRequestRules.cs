using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>The edge of the transmission phase: behind it a request's command, flags, range and alignment are as agreed.</summary>
internal static class NbdRequestRules
{
    /// <summary>The error with which the request is answered without further ado, or <see cref="NbdError.None"/>.</summary>
    public static NbdError Check(in NbdRequest request, NbdAgreement agreement)
    {
        if (FlagsOf(request.Command, agreement) is not { } allowed || (request.Flags & ~allowed) != NbdCommandFlags.None)
        {
            return NbdError.Invalid;
        }

        if (request.Command is NbdCommand.Flush or NbdCommand.Disconnect)
        {
            return request is { Offset: 0, Length: 0 } ? NbdError.None : NbdError.Invalid;
        }

        bool changes = request.Command is NbdCommand.Write or NbdCommand.WriteZeroes or NbdCommand.Trim;
        if (changes && agreement.Has(NbdTransmissionFlags.ReadOnly))
        {
            return NbdError.NotPermitted;
        }

        ulong size = (ulong)agreement.Size;
        if (request.Offset > size || request.Length > size - request.Offset)
        {
            return request.Command is NbdCommand.Write or NbdCommand.WriteZeroes ? NbdError.NoSpace : NbdError.Invalid;
        }

        bool carriesData = request.Command is NbdCommand.Read or NbdCommand.Write;
        return request.Length == 0
            || (request.Offset | request.Length) % (uint)agreement.MinimumBlock != 0
            || (carriesData && request.Length > (uint)agreement.MaximumPayload)
            ? NbdError.Invalid
            : NbdError.None;
    }

    /// <summary>The flags that a command may have; null for a command that is unknown or was not offered.</summary>
    private static NbdCommandFlags? FlagsOf(NbdCommand command, NbdAgreement agreement) => command switch
    {
        // Clients are known to set FUA where it means nothing; the protocol says to accept that.
        NbdCommand.Read => NbdCommandFlags.ForceUnitAccess
            | (agreement.Has(NbdTransmissionFlags.SendDoNotFragment) ? NbdCommandFlags.DoNotFragment : NbdCommandFlags.None),
        NbdCommand.Write or NbdCommand.Flush or NbdCommand.Cache or NbdCommand.Disconnect => NbdCommandFlags.ForceUnitAccess,
        NbdCommand.Trim when agreement.Has(NbdTransmissionFlags.SendTrim) || agreement.Has(NbdTransmissionFlags.ReadOnly) =>
            NbdCommandFlags.ForceUnitAccess,
        NbdCommand.WriteZeroes => NbdCommandFlags.ForceUnitAccess | NbdCommandFlags.NoHole | NbdCommandFlags.FastZero,
        NbdCommand.BlockStatus when agreement.AllocationContext is not null => NbdCommandFlags.ForceUnitAccess | NbdCommandFlags.RequireOne,
        _ => null,
    };
}
