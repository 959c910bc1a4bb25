using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Images.Qcow2;

namespace VmCrypt.Core.Tests.Evil.Qcow2;

/// <summary>A good image with one of everything that a header can name, whose fields are then changed by hand.</summary>
internal sealed class EvilImage
{
    private const int Cluster = 4096;
    private const int DiskBytes = 1024 * 1024;
    private const int ExtensionsStart = 112;

    private EvilImage(byte[] bytes) => Bytes = bytes;

    public byte[] Bytes { get; private set; }

    public int L1 => (int)Get64(40);

    /// <summary>The entry of the first guest cluster.</summary>
    public int L2 => (int)(Get64(L1) & 0xFFFFFFFFFFFF);

    /// <summary>The first refcount block.</summary>
    public int Refcounts => (int)Get64((int)Get64(48));

    public int SnapshotTable => (int)Get64(64);

    public int BitmapDirectory => (int)Get64(Extension(0x23852875) + 24);

    /// <summary>Header, refcounts, L1 table and encryption header lie before this; guest data and L2 tables behind.</summary>
    public int EndOfTables => (int)Get64(Extension(0x0537BE77) + 8) + Cluster;

    public static async Task<EvilImage> MakeAsync()
    {
        var noise = new byte[64 * 1024];
        new Random(1).NextBytes(noise);
        var options = new Qcow2CreateOptions
        {
            Size = DiskBytes,
            ClusterSize = Cluster,
            EncryptionHeaderLength = Cluster,
            BackingPath = "base.raw",
            BackingFormat = "raw",
        };
        var file = new Core.Block.MemoryDevice(await Sample.CreateAsync(options));
        await using (Qcow2Image disk = await Sample.OpenAsync(file, Sample.Writable, backing: []))
        {
            await disk.WriteAsync(0, noise, Sample.Token);
        }

        var image = new EvilImage(file.ToArray());
        image.AddSnapshot();
        image.AddBitmap();
        return image;
    }

    public EvilImage Copy() => new([.. Bytes]);

    /// <summary>Where the extension of this type starts.</summary>
    public int Extension(uint type)
    {
        int at = ExtensionsStart;
        while (Get32(at) != type)
        {
            Assert.NotEqual(0u, Get32(at));
            at += 8 + ((int)Get32(at + 4) + 7 & ~7);
        }

        return at;
    }

    public void SetBit(int at, int bit) => Put64(at, Get64(at) | (1UL << bit));

    public ulong Get64(int at) => BinaryPrimitives.ReadUInt64BigEndian(Bytes.AsSpan(at));

    public uint Get32(int at) => BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(at));

    public void Put64(int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Bytes.AsSpan(at), value);

    public void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(Bytes.AsSpan(at), value);

    /// <summary>Two neighbouring fields.</summary>
    public void Put32(int at, uint value, uint next)
    {
        Put32(at, value);
        Put32(at + 4, next);
    }

    public void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Bytes.AsSpan(at), value);

    /// <summary>An empty disk, frozen: its L1 table has no L2 tables.</summary>
    private void AddSnapshot()
    {
        int l1 = AddCluster();
        int table = AddCluster();
        Put64(table, (ulong)l1);
        Put32(table + 8, 1);
        Put16(table + 12, 1);
        Put16(table + 14, 3);
        Put32(table + 36, 16);
        Put64(table + 48, DiskBytes);
        Encoding.ASCII.GetBytes("1old").CopyTo(Bytes, table + 56);
        Put32(60, 1);
        Put64(64, (ulong)table);
    }

    private void AddBitmap()
    {
        int bits = AddCluster();
        int directory = AddCluster();
        Put64(directory, (ulong)bits);
        Put32(directory + 8, 1);
        Put32(directory + 12, 2);
        Bytes[directory + 16] = 1;
        Bytes[directory + 17] = 16;
        Put16(directory + 18, 4);
        Encoding.ASCII.GetBytes("mark").CopyTo(Bytes, directory + 24);

        // The extension goes to the front; the others move back, and the backing file name with them.
        const int Size = 32;
        int end = (int)Get64(8) + (int)Get32(16);
        Bytes.AsSpan(ExtensionsStart, end - ExtensionsStart).CopyTo(Bytes.AsSpan(ExtensionsStart + Size));
        Bytes.AsSpan(ExtensionsStart, Size).Clear();
        Put32(ExtensionsStart, 0x23852875, 24);
        Put32(ExtensionsStart + 8, 1);
        Put64(ExtensionsStart + 16, 32);
        Put64(ExtensionsStart + 24, (ulong)directory);
        Put64(8, Get64(8) + Size);
        SetBit(88, 0);
    }

    private int AddCluster()
    {
        int offset = (Bytes.Length + Cluster - 1) & -Cluster;
        Bytes = [.. Bytes, .. new byte[offset + Cluster - Bytes.Length]];
        Put16(Refcounts + (offset / Cluster * 2), 1);
        return offset;
    }
}
