using VmCrypt.Core.Crypto;
using VmCrypt.Core.Images.Qcow;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A qcow image of version 1: opened and read.</summary>
internal sealed class QcowTarget : IFuzzTarget
{
    private const int BackingSize = 100_000;

    public string Name => "qcow";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "QFI\xfb\0\0\0\x01", "\0\0\0\0\0\0\0\0", "\x80\0\0\0\0\0\x10\0", "\x09\x06\0\0", "\x0c\x09\0\0", "\x10\x0d\0\0", "\0\0\0\x01");

    public IReadOnlyList<Field> Fields { get; } = [new(8, 8), new(16, 4), new(24, 8), new(32, 1), new(33, 1), new(36, 4), new(40, 8)];

    public void Run(ReadOnlySpan<byte> input, Trace trace) => Sync.Wait(RunAsync(input.ToArray(), trace));

    private static async Task RunAsync(byte[] input, Trace trace)
    {
        await using QcowImage image = await QcowImage.OpenAsync(new SparseDisk(input, input.Length, trace, writable: false), default);
        trace.Note($"encrypted {image.IsEncrypted}", image.Length);
        if (image.Backing is not null)
        {
            image.AttachBacking(new SparseDisk([1, 2, 3], BackingSize, trace, writable: false));
        }

        if (image.IsEncrypted)
        {
            image.AttachCipher(SectorCipher.Create(new CipherSpec(CipherAlgorithm.Aes, CipherMode.Cbc, IvGenerator.Plain64), new byte[16]));
        }

        await DiskReader.TryAsync(trace, () => DiskReader.ReadAsync(image, trace));
        await HostMapReader.ReadAsync(image, input.Length, trace);
    }
}
