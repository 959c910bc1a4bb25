using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdRequestRulesTests
{
    private const ulong Size = 64 << 20;

    private static readonly NbdAgreement s_all =
        new((long)Size, (NbdTransmissionFlags)0x0ded) { StructuredReplies = true, AllocationContext = 1, MinimumBlock = 512 };

    private static readonly NbdAgreement s_readOnly = s_all with { Flags = s_all.Flags | NbdTransmissionFlags.ReadOnly };

    private static readonly NbdAgreement s_plain =
        new((long)Size, NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.SendFlush | NbdTransmissionFlags.SendWriteZeroes);

    [Theory]
    [InlineData(NbdCommand.Read, 0ul, 512u, 0, NbdError.None)]
    [InlineData(NbdCommand.Read, 0ul, 32u << 20, 0, NbdError.None)]
    [InlineData(NbdCommand.Read, 0ul, (32u << 20) + 512, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0ul, 0u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 1ul, 512u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0ul, 100u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, Size, 512u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, Size - 512, 512u, 0, NbdError.None)]
    [InlineData(NbdCommand.Read, Size - 512, 1024u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, ulong.MaxValue - 511, 512u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0ul, 512u, 1, NbdError.None)]
    [InlineData(NbdCommand.Read, 0ul, 512u, 4, NbdError.None)]
    [InlineData(NbdCommand.Read, 0ul, 512u, 2, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0ul, 512u, 0x20, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0ul, 512u, 0x8000, NbdError.Invalid)]
    [InlineData(NbdCommand.Write, 0ul, 512u, 1, NbdError.None)]
    [InlineData(NbdCommand.Write, 0ul, 512u, 4, NbdError.Invalid)]
    [InlineData(NbdCommand.Write, Size, 512u, 0, NbdError.NoSpace)]
    [InlineData(NbdCommand.Write, 0ul, (32u << 20) + 512, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.WriteZeroes, 0ul, (32u << 20) + 512, 0x13, NbdError.None)]
    [InlineData(NbdCommand.WriteZeroes, Size - 512, 1024u, 0, NbdError.NoSpace)]
    [InlineData(NbdCommand.Trim, 0ul, (32u << 20) + 512, 1, NbdError.None)]
    [InlineData(NbdCommand.Trim, Size, 512u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Trim, 0ul, 512u, 2, NbdError.Invalid)]
    [InlineData(NbdCommand.Flush, 0ul, 0u, 1, NbdError.None)]
    [InlineData(NbdCommand.Flush, 512ul, 0u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Flush, 0ul, 512u, 0, NbdError.Invalid)]
    [InlineData(NbdCommand.Cache, 0ul, (32u << 20) + 512, 0, NbdError.None)]
    [InlineData(NbdCommand.Cache, 0ul, 512u, 8, NbdError.Invalid)]
    [InlineData(NbdCommand.BlockStatus, 0ul, 512u, 8, NbdError.None)]
    [InlineData(NbdCommand.BlockStatus, 0ul, 512u, 0x10, NbdError.Invalid)]
    [InlineData(NbdCommand.BlockStatus, Size - 512, 1024u, 0, NbdError.Invalid)]
    [InlineData((NbdCommand)8, 0ul, 512u, 0, NbdError.Invalid)]
    [InlineData((NbdCommand)0xffff, 0ul, 0u, 0, NbdError.Invalid)]
    internal void Every_request_has_its_answer(NbdCommand command, ulong offset, uint length, int flags, NbdError expected) =>
        Assert.Equal(expected, Check(s_all, command, offset, length, flags));

    [Theory]
    [InlineData(NbdCommand.Write, NbdError.NotPermitted)]
    [InlineData(NbdCommand.WriteZeroes, NbdError.NotPermitted)]
    [InlineData(NbdCommand.Trim, NbdError.NotPermitted)]
    [InlineData(NbdCommand.Read, NbdError.None)]
    [InlineData(NbdCommand.Cache, NbdError.None)]
    internal void A_read_only_export_permits_no_change(NbdCommand command, NbdError expected) =>
        Assert.Equal(expected, Check(s_readOnly, command, 0, 512, 0));

    [Theory]
    [InlineData(NbdCommand.Trim, 0)]
    [InlineData(NbdCommand.BlockStatus, 0)]
    [InlineData(NbdCommand.Read, 4)]
    internal void What_was_not_offered_is_invalid(NbdCommand command, int flags) =>
        Assert.Equal(NbdError.Invalid, Check(s_plain, command, 0, 512, flags));

    private static NbdError Check(NbdAgreement agreement, NbdCommand command, ulong offset, uint length, int flags) =>
        NbdRequestRules.Check(new NbdRequest(command, (NbdCommandFlags)flags, 1, offset, length), agreement);
}
