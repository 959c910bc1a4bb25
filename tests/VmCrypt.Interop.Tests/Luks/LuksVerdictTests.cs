using System.Buffers.Binary;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Evil.Luks1;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Whether a disk opens is no matter of taste: we refuse what a peer refuses, and open what both open.</summary>
public sealed class LuksVerdictTests : IDisposable
{
    /// <summary>QEMU would derive keys for minutes.</summary>
    private static readonly string[] s_endless = ["digest with 2^31 iterations", "active slot with 2^32-1 iterations"];

    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;
    private readonly QemuLuks _qemu;

    public LuksVerdictTests()
    {
        _cryptsetup = new Cryptsetup(_scratch);
        _qemu = new QemuLuks(_scratch);
    }

    public static TheoryData<string> Rows => [.. Luks1Rows.Names.Except(s_endless)];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task What_we_refuse_is_refused_by_a_peer(string row)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        byte[] bytes = File.ReadAllBytes(disk.Path)[..(4097 * 512)];
        Luks1Rows.Apply(row, bytes);
        File.WriteAllBytes(disk.Path, bytes);

        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase) && _qemu.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task Headers_changed_at_random_open_with_us_when_they_do_with_both_peers_and_not_when_with_none()
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.Quick);
        byte[] good = File.ReadAllBytes(disk.Path);
        var random = new Random(1);
        int opened = 0;
        for (int round = 0; round < 60; round++)
        {
            byte[] bytes = [.. good];
            string change = Change(bytes, random);
            File.WriteAllBytes(disk.Path, bytes);

            int peers = (_cryptsetup.Opens(disk, LuksDisk.Passphrase) ? 1 : 0) + (_qemu.Opens(disk, LuksDisk.Passphrase) ? 1 : 0);
            bool ours = await OpensAsync(disk);

            Assert.True(peers == 1 || ours == (peers == 2), $"{change}: we {(ours ? "open" : "refuse")} it, the peers do not");
            opened += ours ? 1 : 0;
        }

        Assert.InRange(opened, 10, 50);
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task<bool> OpensAsync(LuksDisk disk)
    {
        try
        {
            return await disk.SlotOfAsync(LuksDisk.Passphrase) is not null;
        }
        catch (VmCryptException)
        {
            return false;
        }
    }

    /// <summary>Sets one field to a value at which something may tip over; iterations stay small, for the peers derive them all.</summary>
    private static string Change(byte[] header, Random random)
    {
        (string Field, int Offset, uint[] Values)[] fields =
        [
            ("payload offset", 104, [0, 1, 2, 7, 8, 3536, 4035, 4036, 4037, 4040, 4095, 4097, 4223, 4224]),
            ("key bytes", 108, [0, 16, 32, 48, 63, 64, 65, 66, 128]),
            ("digest iterations", 164, [0, 1, 999, 1001]),
            ("slot state", Slot(), [0, 0xDEAD, 0xAC71F3, 0xCAFE]),
            ("slot iterations", Slot() + 4, [0, 1, 1000]),
            ("slot offset", Slot() + 40, [0, 1, 2, 7, 8, 9, 12, 508, 512, 516, 3592, 3596, 3597, 4096]),
            ("slot stripes", Slot() + 44, [0, 1, 3999, 4000, 4001]),
            ("uuid", 168 + (4 * random.Next(10)), [0, 0xFFFFFFFF]),
            ("padding", 592 + (4 * random.Next(800)), [0xFFFFFFFF]),
        ];
        (string field, int offset, uint[] values) = fields[random.Next(fields.Length)];
        uint value = values[random.Next(values.Length)];
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(offset), value);
        return $"{field} at {offset} = {value}";

        int Slot() => 208 + (48 * random.Next(8));
    }
}
