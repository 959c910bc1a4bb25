using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Proof.Walk;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>What only devices and ciphers that fail can show.</summary>
public sealed class LayerWalkTests
{
    private const int Size = 4 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_range_that_cannot_be_read_is_a_finding_and_the_walk_goes_on()
    {
        byte[] disk = Ciphertext.Of(Size);
        UniformityTestTests.Text(4096).CopyTo(disk, 3 << 20);

        LayerTally tally = await WalkAsync(new BrokenDevice(disk, broken: (1 << 20) + 8192 + 512));

        Assert.Equal(
            [(FindingKind.Unreadable, (1 << 20) + 8192, 4096, ErrorIds.DeviceIO), (FindingKind.Text, 3 << 20, 4096, null)],
            tally.Findings.Kept.Select(finding => (finding.Kind, finding.HostOffset, finding.Length, finding.Detail)));
        Assert.Equal((4096, 4096, Size - 8192), (tally.Bytes.Unchecked, tally.Bytes.Plain, tally.Bytes.Ciphertext));
        Assert.Contains(ProofMap.Unchecked, tally.Map);
    }

    [Fact]
    public async Task A_cipher_that_does_not_give_the_same_ciphertext_again_is_a_finding()
    {
        using var key = new LayerKey(new ForgetfulCipher(), 0, OfHost: false, Slot: 0, IsOwner: true);

        LayerTally tally = await WalkAsync(new MemoryDevice(Ciphertext.Of(Size), writable: false), key);

        ProofFinding finding = Assert.Single(tally.Findings.Kept);
        Assert.Equal((FindingKind.KeyMismatch, 0, Size), (finding.Kind, finding.HostOffset, finding.Length));
        Assert.Equal((Size, 0), (tally.Bytes.Unchecked, tally.Bytes.Ciphertext));
    }

    [Fact]
    public async Task Holes_are_counted_and_not_read()
    {
        LayerTally tally = await WalkAsync(new HoleDevice(Size));

        Assert.Equal(new ProofBytes { Hole = Size }, tally.Bytes);
        Assert.Equal(new string(ProofMap.Hole, ProofMap.Cells), tally.Map);
    }

    private static async Task<LayerTally> WalkAsync(IBlockDevice file, LayerKey? key = null)
    {
        var layer = new ProofLayer
        {
            Location = DiskLocation.Parse("/disk"),
            Role = LayerRole.Active,
            Format = ImageFormat.Raw,
            Encryption = EncryptionPlacement.Attached,
            File = file,
            Areas = [new HostArea(0, Size, HostUse.Data, 0)],
            Key = key,
        };
        return await new LayerWalk(layer, new ProofOptions { Full = true }, new Progress<JobProgress>()).RunAsync(Token);
    }

    private sealed class BrokenDevice(byte[] bytes, long broken) : FilterDevice(new MemoryDevice(bytes, writable: false))
    {
        public override ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            offset <= broken && broken < offset + buffer.Length
                ? throw new DeviceFaultException(ErrorIds.DeviceIO, "The medium is bad there.")
                : base.ReadAsync(offset, buffer, cancellationToken);
    }

    private sealed class HoleDevice(int length) : FilterDevice(new MemoryDevice(length))
    {
        public override ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("A hole was read.");

        public override IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
            new[] { new Extent(offset, count, ExtentKind.Hole) }.ToAsyncEnumerable();
    }

    /// <summary>Decrypts to zeros whatever it gets.</summary>
    private sealed class ForgetfulCipher() : SectorCipher(SectorIv.Create(new CipherSpec(CipherAlgorithm.Aes, CipherMode.Ecb, IvGenerator.None), new byte[16], AesPath.Platform), 512)
    {
        private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) => source.CopyTo(target);

        private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) => target[..source.Length].Clear();
    }
}
