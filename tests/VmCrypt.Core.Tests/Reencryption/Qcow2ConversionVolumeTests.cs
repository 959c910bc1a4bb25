using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>What a conversion of a qcow2 image reads and writes, and who is kept away meanwhile.</summary>
public sealed class Qcow2ConversionVolumeTests : IDisposable
{
    private const long GiB = 1L << 30;
    private const int Piece = 1 << 20;

    // What does not depend on the data: LUKS headers, one of which is destroyed in many passes, journal, tables.
    private const long Overhead = 40 << 20;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_large_disk_with_little_data_is_read_and_written_in_proportion_to_its_data()
    {
        const int Few = 8;
        const int Many = 24;
        (long Read, long Written)[] few = await MeasureAsync(Few);
        (long Read, long Written)[] many = await MeasureAsync(Many);

        long more = (long)(Many - Few) * Piece;
        foreach (((long Read, long Written) less, (long Read, long Written) all) in few.Zip(many))
        {
            Assert.InRange(all.Written, (long)Many * Piece, ((long)Many * Piece) + Overhead);
            Assert.InRange(all.Read, (long)Many * Piece, ((long)Many * Piece) + Overhead);
            Assert.InRange(all.Written - less.Written, more, more * 5 / 4);
            Assert.InRange(all.Read - less.Read, more, more * 2);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_second_process_is_refused_before_and_in_the_middle_of_a_conversion(bool middle)
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(ReencryptionMode.Encrypt);
        if (middle)
        {
            await sample.StopHotAsync();
        }

        ReencryptionOptions options = Options(_scratch.File("disk.qcow2", sample.File.ToArray()));
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await using (ReencryptedImage first = await ReencryptedImage.OpenAsync(options, Sample.Token))
        {
            foreach (Func<Task> second in new Func<Task>[]
            {
                () => DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token),
                () => DiskReencryption.ResumeAsync(options, [passphrase], null, Sample.Token),
            })
            {
                Assert.Equal(ErrorIds.ImageInUse, (await Assert.ThrowsAsync<DeviceBusyException>(second)).ErrorId);
            }
        }

        Assert.Equal(sample.File.ToArray(), await File.ReadAllBytesAsync(options.Location.Text, Sample.Token));
        await DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token);
        await sample.With(await File.ReadAllBytesAsync(options.Location.Text, Sample.Token)).VerifyAsync();
    }

    /// <summary>What each conversion reads and writes of a disk of 100 GiB with so many pieces of data, each under tables of its own.</summary>
    private static async Task<(long Read, long Written)[]> MeasureAsync(int pieces)
    {
        var file = new MemoryDevice(0);
        await Qcow2Builder.CreateAsync(file, new Qcow2CreateOptions { Size = 100 * GiB }, Sample.Token);
        byte[] piece = [.. Enumerable.Range(0, Piece).Select(at => (byte)(at / 7))];
        await using (Qcow2Image image = await OpenAsync(file))
        {
            for (int number = 0; number < pieces; number++)
            {
                await image.WriteAsync(number * 4 * GiB, piece, Sample.Token);
            }
        }

        long before = file.Length;
        var measured = new List<(long Read, long Written)>();
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        foreach (Func<Qcow2Conversion, Task> convert in new Func<Qcow2Conversion, Task>[]
        {
            conversion => conversion.ProtectAsync(passphrase, null, Sample.Token),
            conversion => conversion.UpdateKeyAsync(passphrase, [passphrase], null, Sample.Token),
            conversion => conversion.UnprotectAsync(passphrase, null, Sample.Token),
        })
        {
            var counted = new CountingDevice(SubDevice.Tail(file, 0, ownsInner: false));
            await convert(new Qcow2Conversion(Options("disk.qcow2"), counted));
            measured.Add((counted.BytesRead, counted.BytesWritten));
            Assert.InRange(file.Length, before, before + (5 << 20));
        }

        Assert.Equal(before, file.Length);
        await using Qcow2Image plain = await OpenAsync(file);
        byte[] found = new byte[Piece];
        await plain.ReadAsync((pieces - 1) * 4 * GiB, found, Sample.Token);
        Assert.Equal(piece, found);
        return [.. measured];
    }

    private static ReencryptionOptions Options(string path) => new()
    {
        Location = DiskLocation.Parse(path),
        Encryption = Sample.Options with { Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16 },
    };

    private static Task<Qcow2Image> OpenAsync(IBlockDevice file) =>
        Qcow2Image.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), new Qcow2OpenOptions { Writable = true }, Sample.Token).AsTask();
}
