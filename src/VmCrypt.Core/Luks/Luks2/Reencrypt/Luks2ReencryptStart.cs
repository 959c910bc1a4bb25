using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>Turns an ordinary header into that of a re-encryption, in one change; no byte of the payload is touched.</summary>
/// <remarks>
/// New key material is on the medium, and proven from there, before the change. A crash before the change leaves the header as it was;
/// one after it the re-encryption at its start.
/// </remarks>
internal static class Luks2ReencryptStart
{
    /// <summary>The payload gets another key.</summary>
    /// <param name="area">Holds the header.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="current">The key that the payload has.</param>
    /// <param name="target">Cipher, key size, sector size, hash and cost of what it gets.</param>
    /// <param name="passphrases">Of the new key, one slot each; borrowed.</param>
    /// <param name="flags">What is to be done at the end: <see cref="Luks2ReencryptHeader.Luks1Flag"/>.</param>
    /// <param name="resilience">How zones are protected.</param>
    /// <param name="cancellationToken">Cancels before the change.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeySlotsFull"/>, <see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    public static async ValueTask UpdateAsync(
        IBlockDevice area, long length, VolumeKey current, LuksFormatOptions target, IReadOnlyList<SecretBuffer> passphrases,
        string[] flags, ReencryptionResilience resilience, CancellationToken cancellationToken)
    {
        var store = new Luks2Store(area, await Luks2Copies.ReadAsync(area, cancellationToken));
        await store.BeginAsync(cancellationToken);
        using SecretBuffer key = SecretBuffer.Random(target.KeySize);
        int digest = FreeDigest(store.Metadata);
        var meter = new Pbkdf2Meter(target.Hash, key.Length, cancellationToken);
        Luks2Proof proof = await LuksWork.RunAsync(() => Luks2Proof.Create(target.Hash, meter.Digest(target.Cost), key.Span), cancellationToken);
        Luks2Metadata next = new Luks2Edit(store.Metadata).AddDigest(digest, proof, segments: []).SetFlags(flags, true).Done();
        foreach (SecretBuffer passphrase in passphrases)
        {
            next = await AddSlotAsync(area, next, digest, proof, key, target, passphrase, meter, cancellationToken);
        }

        Luks2Segment old = store.Metadata.Segments[0];
        Luks2Digest oldDigest = store.Metadata.DigestOfSegment(old.Number)!;
        int sector = Math.Max((int)old.Crypt!.SectorSize, target.PayloadSectorSize);
        var terms = InPlace(ReencryptionMode.Reencrypt, backward: false, resilience, sector);
        JsonObject after = Luks2ReencryptSegments.Crypt(old with { Crypt = CryptOf(target) with { IvTweak = 0 } }, 0, null);
        next = Compose(next, length, terms, (Luks2ReencryptSegments.Crypt(old, 0, null), oldDigest.Number), (after, digest), null);
        using SecretBuffer before = current.Export();
        await SealAsync(store, next, before, key);
    }

    /// <summary>A plain disk gets the encryption of a header that was just made; the header is not in its place yet.</summary>
    /// <param name="area">Holds the header.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="key">Of the header.</param>
    /// <param name="moves">The header comes to stand in front of the disk, and the disk moves up; else the header is detached.</param>
    /// <param name="flags">What is to be done at the end: <see cref="Luks2ReencryptHeader.GrownFlag"/>, <see cref="Luks2ReencryptHeader.Luks1Flag"/>.</param>
    /// <param name="resilience">How zones are protected where nothing moves.</param>
    /// <param name="cancellationToken">Cancels before the change.</param>
    public static async ValueTask EncryptAsync(
        IBlockDevice area, long length, VolumeKey key, bool moves, string[] flags, ReencryptionResilience resilience, CancellationToken cancellationToken)
    {
        var store = new Luks2Store(area, await Luks2Copies.ReadAsync(area, cancellationToken));
        await store.BeginAsync(cancellationToken);
        Luks2Segment segment = store.Metadata.Segments[0];
        int digest = store.Metadata.DigestOfSegment(segment.Number)!.Number;
        long shift = moves ? (long)segment.Offset : 0;
        Luks2ReencryptTerms terms = moves
            ? new Luks2ReencryptTerms(ReencryptionMode.Encrypt, IsBackward: true, Luks2ReencryptTerms.DataShift, Shift: (ulong)shift)
            : InPlace(ReencryptionMode.Encrypt, backward: false, resilience, (int)segment.Crypt!.SectorSize);
        JsonObject before = moves ? Luks2ReencryptSegments.Linear(0, length) : Luks2ReencryptSegments.Linear((long)segment.Offset, null);
        JsonObject? moved = moves ? Luks2ReencryptSegments.Linear(length + shift, Math.Min(shift, length)) : null;
        Luks2Metadata flagged = new Luks2Edit(store.Metadata).SetFlags(flags, true).Done();
        Luks2Metadata next = Compose(flagged, length, terms, (before, null), (Luks2ReencryptSegments.Crypt(segment, 0, null), digest), moved);
        using SecretBuffer after = key.Export();
        await SealAsync(store, next, null, after);
    }

    /// <summary>An encrypted disk becomes plain; its header is, or has become, a file of its own.</summary>
    /// <param name="area">Holds the header.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="key">Of the payload.</param>
    /// <param name="flags">What the payload lies in: <see cref="Luks2ReencryptHeader.VhdxFlag"/>, <see cref="Luks2ReencryptHeader.VhdFlag"/>.</param>
    /// <param name="resilience">How zones are protected where nothing moves.</param>
    /// <param name="cancellationToken">Cancels before the change.</param>
    public static async ValueTask DecryptAsync(
        IBlockDevice area, long length, VolumeKey key, string[] flags, ReencryptionResilience resilience, CancellationToken cancellationToken)
    {
        var store = new Luks2Store(area, await Luks2Copies.ReadAsync(area, cancellationToken));
        await store.BeginAsync(cancellationToken);
        Luks2Segment segment = store.Metadata.Segments[0];
        int digest = store.Metadata.DigestOfSegment(segment.Number)!.Number;
        bool moves = segment.Offset > 0;
        Luks2ReencryptTerms terms = InPlace(ReencryptionMode.Decrypt, backward: !moves, resilience, (int)segment.Crypt!.SectorSize);
        if (moves)
        {
            terms = terms with { Resilience = $"{Luks2ReencryptTerms.DataShift}-{terms.Resilience}", Shift = segment.Offset };
        }

        JsonObject? moved = moves ? Luks2ReencryptSegments.Crypt(segment with { Offset = 0 }, 0, MovedLength(store.Metadata, length)) : null;
        Luks2Metadata flagged = new Luks2Edit(store.Metadata).SetFlags(flags, true).Done();
        Luks2Metadata next = Compose(
            flagged, length, terms, (Luks2ReencryptSegments.Crypt(segment, 0, null), digest), (Luks2ReencryptSegments.Linear(0, null), null), moved);
        using SecretBuffer before = key.Export();
        await SealAsync(store, next, before, null);
    }

    /// <summary>Flags a header that lies in a file of its own, before anything is begun.</summary>
    public static async ValueTask FlagAsync(IBlockDevice area, string[] flags, CancellationToken cancellationToken)
    {
        if (flags.Length > 0)
        {
            var store = new Luks2Store(area, await Luks2Copies.ReadAsync(area, cancellationToken));
            await store.BeginAsync(cancellationToken);
            await store.CommitAsync(new Luks2Edit(store.Metadata).SetFlags(flags, true).Done());
        }
    }

    /// <summary>Says where the payload of a detached header begins.</summary>
    public static async ValueTask PlaceAsync(IBlockDevice area, long offset, CancellationToken cancellationToken)
    {
        var store = new Luks2Store(area, await Luks2Copies.ReadAsync(area, cancellationToken));
        Luks2Segment segment = store.Metadata.Segments[0];
        JsonObject placed = Luks2ReencryptSegments.Crypt(segment with { Offset = (ulong)offset }, 0, null);
        int digest = store.Metadata.DigestOfSegment(segment.Number)!.Number;
        await store.BeginAsync(cancellationToken);
        await store.CommitAsync(new Luks2Edit(store.Metadata).ReplaceSegments([new Luks2ReencryptSegments.Part(placed, [digest])]).Done());
    }

    /// <summary>Bytes at the start of an encrypted disk of <paramref name="length"/> bytes that are moved to the device's start before it is decrypted.</summary>
    /// <remarks>They are rewritten in their place at last, so that even a journal of them must fit beside the key slots.</remarks>
    public static long MovedLength(Luks2Metadata metadata, long length)
    {
        Luks2Segment segment = metadata.Segments[0];
        long longest = Math.Min((long)segment.Offset, LargestGap(metadata).Length) / (long)SectorCipher.MaxSectorSize * SectorCipher.MaxSectorSize;
        return Math.Min(longest, length);
    }

    private static Luks2ReencryptTerms InPlace(ReencryptionMode mode, bool backward, ReencryptionResilience resilience, int sector) =>
        resilience == ReencryptionResilience.Journal
            ? new Luks2ReencryptTerms(mode, backward, Luks2ReencryptTerms.Journal)
            : new Luks2ReencryptTerms(mode, backward, Luks2ReencryptTerms.Checksum, HashKinds.NameOf(HashKind.Sha256), (uint)sector);

    private static async ValueTask<Luks2Metadata> AddSlotAsync(
        IBlockDevice area, Luks2Metadata metadata, int digest, Luks2Proof proof, SecretBuffer key, LuksFormatOptions target,
        SecretBuffer passphrase, Pbkdf2Meter meter, CancellationToken cancellationToken)
    {
        LuksPassphrase.RequireUsable(passphrase);
        long offset = Luks2Areas.FindGap(metadata, Luks2Layout.AreaLength(key.Length)) ?? throw NoRoom();
        Luks2Slot slot = await LuksWork.RunAsync(
            () => Luks2Slot.Create(FreeSlot(metadata), target.Cipher, key.Length, target.Hash, target.Cost, offset, meter, cancellationToken), cancellationToken);
        byte[] material = await LuksWork.RunAsync(() => slot.Seal(key.Span, passphrase.Span, cancellationToken), cancellationToken);
        await area.WriteAsync(slot.Offset, material, cancellationToken);
        await area.FlushAsync(cancellationToken);
        using SecretBuffer? stored = await Luks2SlotReader.TryOpenAsync(area, slot, proof, passphrase, cancellationToken);
        return stored is not null
            ? new Luks2Edit(metadata).AddKeyslot(slot, digest).Done()
            : throw new DeviceFaultException(ErrorIds.KeySlotNotProven, "The new key material was written, but does not open from the medium; nothing was changed.");
    }

    // The regular segments stay those of before until the plan that they must follow is known.
    private static Luks2Metadata Compose(
        Luks2Metadata metadata, long length, Luks2ReencryptTerms terms,
        (JsonObject Segment, int? Digest) before, (JsonObject Segment, int? Digest) after, JsonObject? moved)
    {
        Luks2Segment current = metadata.Segments[0];
        List<Luks2ReencryptSegments.Part> parts = [Luks2ReencryptSegments.Same(metadata, current)];
        if (moved is not null)
        {
            parts.Add(Backup(moved, Luks2ReencryptPlan.MovedFlag, before.Digest));
        }

        parts.Add(Backup(before.Segment, Luks2ReencryptPlan.PreviousFlag, before.Digest));
        parts.Add(Backup(after.Segment, Luks2ReencryptPlan.FinalFlag, after.Digest));
        (long offset, long size) = terms.Resilience == Luks2ReencryptTerms.DataShift
            ? (Luks2Areas.FindGap(metadata, Luks2Layout.AreaAlignment) ?? throw NoRoom(), Luks2Layout.AreaAlignment)
            : LargestGap(metadata);
        string requirement = Luks2Requirements.OnlineReencrypt + (moved is not null && terms.Mode == ReencryptionMode.Decrypt ? "-v3" : "-v2");
        Luks2Metadata next = new Luks2Edit(metadata)
            .ReplaceSegments(parts)
            .AddReencryption(FreeSlot(metadata), terms.ToJson(offset, size), requirement)
            .Done();
        return new Luks2Edit(next).SetSegments(Luks2ReencryptSegments.At(Luks2ReencryptPlan.Of(next), length, new PayloadPosition(0))).Done();
    }

    private static async ValueTask SealAsync(Luks2Store store, Luks2Metadata next, SecretBuffer? before, SecretBuffer? after)
    {
        var plan = Luks2ReencryptPlan.Of(next);
        using SecretBuffer message = Luks2ReencryptDigest.Message(plan, before, after);
        var proof = Luks2Proof.Create(HashKind.Sha256, KdfCost.MinIterations, message.Span);
        Luks2Metadata proven = new Luks2Edit(next).ProveReencryption(FreeDigest(next), plan.Slot.Number, proof).Done();
        store.RequireFits(proven);
        await store.CommitAsync(proven);
    }

    private static Luks2ReencryptSegments.Part Backup(JsonObject segment, string flag, int? digest)
    {
        segment["flags"] = new JsonArray(flag);
        return new Luks2ReencryptSegments.Part(segment, segment["type"]!.GetValue<string>() == Luks2Segment.CryptType ? [digest] : []);
    }

    private static Luks2Crypt CryptOf(LuksFormatOptions target) => new(target.Cipher.ToString(), (uint)target.PayloadSectorSize, 0, null);

    private static (long Offset, long Length) LargestGap(Luks2Metadata metadata) =>
        Luks2Areas.Gaps(metadata)
            .Select(gap => (gap.Offset, Length: gap.Length / Luks2Layout.AreaAlignment * Luks2Layout.AreaAlignment))
            .OrderByDescending(gap => gap.Length)
            .FirstOrDefault() is { Length: > 0 } gap ? gap : throw NoRoom();

    private static int FreeSlot(Luks2Metadata metadata) => Free(metadata.Keyslots.Select(slot => slot.Number), Luks2Layout.MaxObjects);

    private static int FreeDigest(Luks2Metadata metadata) => Free(metadata.Digests.Select(digest => digest.Number), Luks2Layout.MaxDigests);

    private static int Free(IEnumerable<int> used, int count) =>
        Enumerable.Range(0, count).Except(used).Select(number => (int?)number).FirstOrDefault() ?? throw NoRoom();

    private static RefusedException NoRoom() =>
        new(ErrorIds.KeySlotsFull, "The LUKS2 header has no room for the key slots of a re-encryption; remove a key slot first.");
}
