using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>What the digest of a re-encryption proves: its keys and all of the metadata that stays the same, in cryptsetup's order.</summary>
/// <remarks>
/// Who can write to the disk but has no key could otherwise turn a re-encryption into a decryption (CVE-2021-4122).
/// Texts stand without their length, numbers big-endian, each as wide as LUKS2 has it.
/// </remarks>
internal static class Luks2ReencryptDigest
{
    /// <summary>The bytes that go through PBKDF2 in the place of a key; owned by the caller.</summary>
    public static SecretBuffer Message(Luks2ReencryptPlan plan, SecretBuffer? before, SecretBuffer? after)
    {
        byte[] version = Encoding.ASCII.GetBytes(plan.Requirement[^2..]);
        byte[] metadata = [.. Slot(plan), .. Segment(plan.Before), .. Segment(plan.After), .. plan.Moved is null ? [] : Segment(plan.Moved)];
        ReadOnlyMemory<byte> first = before?.Memory ?? default;
        ReadOnlyMemory<byte> second = plan.DigestBefore == plan.DigestAfter ? default : after?.Memory ?? default;
        var message = new SecretBuffer(version.Length + first.Length + second.Length + metadata.Length);
        var writer = new SpanWriter(message.Span);
        writer.Bytes(version);
        writer.Bytes(first.Span);
        writer.Bytes(second.Span);
        writer.Bytes(metadata);
        return message;
    }

    private static byte[] Slot(Luks2ReencryptPlan plan)
    {
        Luks2ReencryptTerms terms = plan.Terms;
        return
        [
            .. Text(terms.Mode.ToString().ToLowerInvariant()),
            .. Text(terms.IsBackward ? "backward" : "forward"),
            .. Text(terms.Resilience),
            .. Number(plan.Slot.Area.Offset),
            .. Number(plan.Slot.Area.Size),
            .. terms.UsesChecksums ? [.. Text(terms.Hash!), .. Number(terms.BlockSize)] : Array.Empty<byte>(),
            .. terms.Shift > 0 ? Number(terms.Shift) : [],
        ];
    }

    private static byte[] Segment(Luks2Segment segment) =>
    [
        .. Text(segment.Type),
        .. Number(segment.Offset),
        .. segment.Size is { } size ? Number(size) : Text("dynamic"),
        .. segment.Crypt is { } crypt ? [.. Number(crypt.IvTweak), .. Text(crypt.Cipher), .. Number(crypt.SectorSize)] : Array.Empty<byte>(),
    ];

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Number(ulong number)
    {
        byte[] bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, number);
        return bytes;
    }

    private static byte[] Number(uint number)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return bytes;
    }
}
