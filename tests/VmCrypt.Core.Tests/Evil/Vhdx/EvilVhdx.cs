using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Evil.Vhdx;

/// <summary>A good differencing file whose log waits, and whose fields are then changed by hand; checksums are made good again.</summary>
internal sealed class EvilVhdx
{
    public const int Header1 = 64 * 1024;
    public const int Header2 = 128 * 1024;
    public const int Regions = 192 * 1024;
    public const int Regions2 = 256 * 1024;
    public const int Log = VhdxSample.Block;
    public const int Metadata = 2 * VhdxSample.Block;
    public const int Items = Metadata + (64 * 1024);
    public const int Bat = 3 * VhdxSample.Block;
    public const int DiskBytes = 2 * VhdxSample.Block;

    private EvilVhdx(byte[] bytes) => Bytes = bytes;

    public byte[] Bytes { get; set; }

    /// <summary>The header that counts.</summary>
    public int Current => Get64(Header1 + 8) > Get64(Header2 + 8) ? Header1 : Header2;

    /// <summary>First sectors written, the first block in part, the second in full; then the tables went to the log, and no further.</summary>
    public static async Task<EvilVhdx> MakeAsync()
    {
        byte[] image = await VhdxSample.CreateAsync(VhdxSample.Differencing(DiskBytes));
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable, new byte[DiskBytes]);
            await disk.WriteAsync(0, new byte[8192], VhdxSample.Token);
            await disk.WriteAsync(VhdxSample.Block, new byte[VhdxSample.Block], VhdxSample.Token);
        });
        int tables = history.Effects.Index().First(effect => effect.Item is WriteEffect { Bytes.Length: 4096, Offset: >= Bat }).Index;
        return new EvilVhdx(history.After(tables).ToArray());
    }

    public EvilVhdx Copy() => new([.. Bytes]);

    /// <summary>The same with the log replayed and gone.</summary>
    public static async Task<EvilVhdx> MakeCleanAsync()
    {
        var file = new MemoryDevice((await MakeAsync()).Bytes);
        await using (VhdxImage disk = await VhdxSample.OpenAsync(file, VhdxSample.Writable, new byte[DiskBytes]))
        {
            await disk.TrimAsync(0, 0, VhdxSample.Token);
        }

        return new EvilVhdx(file.ToArray());
    }

    /// <summary>Changes both headers and makes their checksums good.</summary>
    public void Header(int field, Action<int> change)
    {
        foreach (int header in new[] { Header1, Header2 })
        {
            change(header + field);
            Seal(header, 4096);
        }
    }

    /// <summary>Changes both region tables and makes their checksums good.</summary>
    public void Region(int field, Action<int> change)
    {
        foreach (int table in new[] { Regions, Regions2 })
        {
            change(table + field);
            Seal(table, 64 * 1024);
        }
    }

    /// <summary>Changes the log's one entry and makes its checksum good.</summary>
    public void Entry(int field, Action<int> change)
    {
        change(Log + field);
        Seal(Log, (int)Get32(Log + 8));
    }

    public ulong Get64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes.AsSpan(at));

    public uint Get32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(at));

    public void Put64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Bytes.AsSpan(at), value);

    public void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(at), value);

    public void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Bytes.AsSpan(at), value);

    private void Seal(int at, int length) => Put32(at + 4, Crc32C.WithZeroedField(Bytes.AsSpan(at, length), 4));
}
