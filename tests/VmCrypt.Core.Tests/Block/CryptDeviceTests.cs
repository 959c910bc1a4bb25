using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block;

public sealed class CryptDeviceTests : ReadOnlyDeviceContract
{
    private static readonly byte[] s_key = [.. Enumerable.Range(1, 64).Select(i => (byte)i)];

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content)
    {
        CryptDevice device = Over(new MemoryDevice(content.Length));
        await device.WriteAsync(0, content, Token);
        return device;
    }

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content)
    {
        var inner = new MemoryDevice(content.Length);
        await Over(inner).WriteAsync(0, content, Token);
        return Over(new MemoryDevice(inner.ToArray(), writable: false));
    }

    [Theory]
    [InlineData(512, 0)]
    [InlineData(4096, 0)]
    [InlineData(512, 1000)]
    public async Task Large_requests_hold_what_the_cipher_says(int sectorSize, int ivOffset)
    {
        byte[] plain = Noise(5 << 20);
        byte[] cipher = new byte[plain.Length];
        using var oracle = SectorCipher.Create(CipherSpec.Default, s_key, sectorSize);
        oracle.Encrypt((ulong)ivOffset + 8, plain, cipher);
        var inner = new MemoryDevice(cipher.Length + 4096);
        await using CryptDevice device = Over(inner, sectorSize, (ulong)ivOffset);

        await device.WriteAsync(4096, plain, Token);

        Assert.True(cipher.AsSpan().SequenceEqual(inner.ToArray().AsSpan(4096)), "the bytes below are not the cipher's");
        byte[] read = await ReadAsync(device, 4096, plain.Length);
        Assert.True(plain.AsSpan().SequenceEqual(read), "the bytes read back are not those written");
    }

    [Fact]
    public async Task Trims_only_where_its_owner_allowed_it()
    {
        var inner = new MemoryDevice(Noise(8192));
        byte[] before = inner.ToArray();
        await using CryptDevice closed = Over(inner);
        await closed.TrimAsync(0, 4096, Token);
        Assert.False(closed.Traits.CanTrim);
        Assert.Equal(before, inner.ToArray());

        await using var open = new CryptDevice(inner, SectorCipher.Create(CipherSpec.Default, s_key), passTrim: true);
        await open.TrimAsync(0, 4096, Token);
        Assert.True(open.Traits.CanTrim);
        Assert.Equal([.. new byte[4096], .. before[4096..]], inner.ToArray());
    }

    [Fact]
    public async Task Does_not_claim_to_zero_fast()
    {
        await using CryptDevice device = Over(new MemoryDevice(8192));
        await FailsAsync(ErrorIds.ZeroNotFast, () => device.ZeroAsync(0, 4096, ZeroFlags.OnlyIfFast, Token));
    }

    private static CryptDevice Over(IBlockDevice inner, int sectorSize = 512, ulong ivOffset = 0) =>
        new(inner, SectorCipher.Create(CipherSpec.Default, s_key, sectorSize), ivOffset);
}
