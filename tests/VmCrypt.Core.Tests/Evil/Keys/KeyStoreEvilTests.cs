using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Tests.Keys.Store;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Evil.Keys;

/// <summary>A good key store with one thing changed, and what must come of it: damage is found without the key, forgery with it.</summary>
public sealed class KeyStoreEvilTests
{
    private const int Entries = 4;
    private const int Commit0 = 4096;
    private const int Commit1 = 8192;

    private static readonly Dictionary<string, Action<byte[]>> s_damage = new(StringComparer.Ordinal)
    {
        ["magic"] = file => file[0] ^= 1,
        ["header's checksum"] = file => file[72] ^= 1,
        ["protectors of all numbers"] = file => Header(file, 12, 4, uint.MaxValue),
        ["protectors longer than they are"] = file => Header(file, 12, 4, (ulong)Protectors(file) + 1),
        ["records elsewhere"] = file => Header(file, 48, 8, 0),
        ["index before the records"] = file => Header(file, 56, 8, 12288),
        ["index outside of the file"] = file => Header(file, 56, 8, 1UL << 40),
        ["index of all numbers"] = file => Header(file, 64, 8, ulong.MaxValue),
        ["terms beyond the end"] = file => Header(file, 64, 8, 1 << 20),
        ["another generation"] = file => Header(file, 32, 8, 0),
        ["both commits torn"] = file =>
        {
            file[Commit0] ^= 1;
            file[Commit1] ^= 1;
        },
        ["commit beyond the end"] = file => Commit(file, Commit1, 24, 1UL << 40),
        ["commit within the index"] = file => Commit(file, Commit1, 24, 12288),
        ["a record's checksum"] = file => file[Records(file) + 20] ^= 1,
        ["a record of no kind"] = file => file[Records(file)] = 9,
        ["a record with a mark where zeros are"] = file => file[Records(file) + 1] = 1,
        ["a record of all bytes"] = file => BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(Records(file) + 4), uint.MaxValue),
        ["a record longer than its records"] = file => BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(Records(file) + 4), 100_000),
        ["a change among the records"] = file => Payload(file, frame => frame[0] = 2),
        ["a record without a path"] = file => Payload(file, frame => frame.Slice(8 + 50, 2).Clear()),
        ["a path that is longer than its record"] = file => Payload(file, frame => BinaryPrimitives.WriteUInt16BigEndian(frame[(8 + 50)..], 4096)),
        ["a path that is longer than paths are"] = file => Payload(file, frame => BinaryPrimitives.WriteUInt16BigEndian(frame[(8 + 50)..], 4097)),
        ["a path that is no text"] = file => Payload(file, frame => frame[8 + 52] = 0xFF),
        ["a negative revision"] = file => Payload(file, frame => frame[8 + 16] = 0x80),
        ["a record made before all time"] = file => Payload(file, frame => frame[8 + 24] = 0x80),
        ["a use after all time"] = file => Payload(file, frame => frame[8 + 32] = 0x7F),
        ["a negative count"] = file => Payload(file, frame => frame[8 + 40] = 0x80),
        ["no secret"] = file => Payload(file, frame => frame[SecretsAt(frame)] = 0),
        ["two secrets where one is"] = file => Payload(file, frame => frame[SecretsAt(frame)] = 2),
        ["three secrets"] = file => Payload(file, frame => frame[SecretsAt(frame)] = 3),
        ["a pending secret in the place of the current"] = file => Payload(file, frame => frame[SecretsAt(frame) + 1] = 2),
        ["a secret of no role"] = file => Payload(file, frame => frame[SecretsAt(frame) + 1] = 7),
        ["a key slot that no header has"] = file => Payload(file, frame => frame[SecretsAt(frame) + 3] = 32),
        ["a secret longer than its record"] = file => Payload(file, frame => BinaryPrimitives.WriteUInt16BigEndian(frame[(SecretsAt(frame) + 32)..], 300)),
        ["a secret shorter than its record"] = file => Payload(file, frame => BinaryPrimitives.WriteUInt16BigEndian(frame[(SecretsAt(frame) + 32)..], 3)),
    };

    private static readonly Dictionary<string, Action<byte[]>> s_forgery = new(StringComparer.Ordinal)
    {
        ["a protector"] = file => file[KeyStoreHeader.ProtectorsOffset + 10] ^= 1,
        ["the head's mark"] = file => file[Records(file) - 1] ^= 1,
        ["a record's count of uses"] = file => Payload(file, frame => frame[8 + 47] = 9),
        ["a record's mark"] = file => Payload(file, frame => frame[^1] ^= 1),
        ["two records exchanged"] = file =>
        {
            Span<byte> first = file.AsSpan(Records(file), FrameSize(file));
            Span<byte> second = file.AsSpan(Records(file) + FrameSize(file), FrameSize(file));
            byte[] held = first.ToArray();
            second.CopyTo(first);
            held.CopyTo(second);
        },
        ["the last change of the tail"] = file => file[^1] ^= 1,
        ["the end of the file taken back"] = file => Commit(file, Commit1, 24, (ulong)BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(Commit0 + 24))),
        ["the number of changes"] = file => Commit(file, Commit1, 16, 3),
    };

    public static TheoryData<string> Damages => [.. s_damage.Keys];

    public static TheoryData<string> Forgeries => [.. s_forgery.Keys];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damage_is_found_without_the_key(string row)
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        s_damage[row](file);

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => StoreSample.ListAsync(new MemoryDevice(file), key: null));
        Assert.Equal(ErrorIds.KeyStoreDamaged, fault.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Forgeries))]
    public async Task Forgery_is_found_with_the_key(string row)
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        s_forgery[row](file);

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => StoreSample.ListAsync(new MemoryDevice(file), key));
        Assert.Equal(ErrorIds.KeyStoreForged, fault.ErrorId);
    }

    [Fact]
    public async Task A_later_version_is_not_read()
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        file[9] = 2;

        var fault = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => StoreSample.ListAsync(new MemoryDevice(file), key: null));
        Assert.Equal(ErrorIds.KeyStoreVersionUnsupported, fault.ErrorId);
    }

    [Fact]
    public async Task A_record_of_the_index_is_checked_when_it_alone_is_looked_up()
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        Payload(file, frame => frame[8 + 47] = 9);
        KeyStoreView view = await KeyStoreView.OpenAsync(new MemoryDevice(file), key, Sample.Token);

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => view.FindAsync(LookupTerm.OfPath("/vm/0.qcow2"), Sample.Token));
        Assert.Equal(ErrorIds.KeyStoreForged, fault.ErrorId);
        Assert.Single(await view.FindAsync(LookupTerm.OfPath("/vm/2.qcow2"), Sample.Token));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL << 40)]
    [InlineData(ulong.MaxValue)]
    public async Task An_index_that_leads_outside_of_the_records_is_damage(ulong offset)
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        long index = BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(56));
        long terms = BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(64));
        for (long term = 0; term < terms; term++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan((int)(index + (term * 16) + 8)), offset);
        }

        KeyStoreView view = await KeyStoreView.OpenAsync(new MemoryDevice(file), key, Sample.Token);
        Assert.Equal(ErrorIds.KeyStoreDamaged, (await Assert.ThrowsAsync<InvalidImageException>(() => view.FindAsync(LookupTerm.OfPath("/vm/0.qcow2"), Sample.Token))).ErrorId);
        Assert.Equal(ErrorIds.KeyStoreDamaged, (await Assert.ThrowsAsync<InvalidImageException>(() => view.VerifyIndexAsync(Sample.Token))).ErrorId);
    }

    [Fact]
    public async Task More_changes_than_a_writer_leaves_behind_the_index_are_not_read()
    {
        using StoreKey key = StoreSample.Key();
        var device = new MemoryDevice(StoreSample.Build(key, Entries));
        await StoreSample.ChangeAsync(device, key, [.. Enumerable.Range(10, 3).Select(Large)]);
        Assert.Equal(Entries + 3, (await StoreSample.ListAsync(device, key)).Count);
        await StoreSample.ChangeAsync(device, key, Large(13));

        var fault = await Assert.ThrowsAsync<InvalidImageException>(() => StoreSample.ListAsync(device, key));
        Assert.Equal(ErrorIds.KeyStoreDamaged, fault.ErrorId);

        KeyChange Large(int number) => new KeyChange.Put(StoreSample.Entry(key, number, WrappedSecret.MaxSecret));
    }

    [Fact]
    public async Task A_file_cut_anywhere_is_damage()
    {
        using StoreKey key = StoreSample.Key();
        byte[] file = await MakeAsync(key);
        for (int length = 0; length < file.Length; length += 7)
        {
            byte[] cut = file[..length];
            var fault = await Assert.ThrowsAsync<InvalidImageException>(() => StoreSample.ListAsync(new MemoryDevice(cut), key));
            Assert.Equal(ErrorIds.KeyStoreDamaged, fault.ErrorId);
        }
    }

    private static async Task<byte[]> MakeAsync(StoreKey key)
    {
        var device = new MemoryDevice(StoreSample.Build(key, Entries));
        await StoreSample.ChangeAsync(device, key, new KeyChange.Use(StoreSample.Entry(key, 1).Id, DateTimeOffset.UnixEpoch.AddDays(1)));
        return device.ToArray();
    }

    private static int Protectors(byte[] file) => BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(12));

    private static int Records(byte[] file) => (int)BinaryPrimitives.ReadInt64BigEndian(file.AsSpan(48));

    private static int FrameSize(byte[] file) => KeyStoreFrame.SizeOf(file.AsSpan(Records(file)));

    // Behind id, revision, three numbers and the identity.
    private static int SecretsAt(ReadOnlySpan<byte> frame) => 8 + 50 + BinaryPrimitives.ReadUInt16BigEndian(frame[(8 + 48)..]);

    private static void Header(byte[] file, int offset, int width, ulong value)
    {
        Put(file.AsSpan(offset, width), value);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(72), Crc32C.Of(file.AsSpan(0, 72)));
    }

    private static void Commit(byte[] file, int commit, int offset, ulong value)
    {
        Put(file.AsSpan(commit + offset, 8), value);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(commit + 96), Crc32C.Of(file.AsSpan(commit, 96)));
    }

    private delegate void FrameChange(Span<byte> frame);

    private static void Payload(byte[] file, FrameChange change)
    {
        Span<byte> frame = file.AsSpan(Records(file), FrameSize(file));
        change(frame);
        int covered = frame.Length - KeyStoreFrame.TrailSize;
        BinaryPrimitives.WriteUInt32BigEndian(frame[covered..], Crc32C.Of(frame[..covered]));
    }

    private static void Put(Span<byte> target, ulong value)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(number, value);
        number[^target.Length..].CopyTo(target);
    }
}
