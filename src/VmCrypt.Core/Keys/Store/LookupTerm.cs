using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace VmCrypt.Core.Keys.Store;

internal enum TermKind : byte
{
    Id = 1,
    Path,
    LuksUuid,
    VM,
    VMUuid,
    Image,
}

/// <summary>One of the names by which a record is found.</summary>
internal readonly record struct LookupTerm(TermKind Kind, string Text)
{
    public static LookupTerm Of(TermKind kind, Guid id) => new(kind, id.ToString("D"));

    public static LookupTerm OfPath(string path) => new(TermKind.Path, path);

    public static LookupTerm OfLuks(string uuid) => new(TermKind.LuksUuid, uuid.ToUpperInvariant());

    /// <summary>A VM by its UUID, where the text is one, or by its name.</summary>
    public static LookupTerm OfVM(string nameOrUuid) =>
        Guid.TryParse(nameOrUuid, out Guid uuid) ? Of(TermKind.VMUuid, uuid) : new(TermKind.VM, nameOrUuid.ToUpperInvariant());

    /// <summary>All names of a record.</summary>
    public static IEnumerable<LookupTerm> Of(DiskKeyEntry entry)
    {
        DiskIdentity disk = entry.Disk;
        yield return Of(TermKind.Id, entry.Id);
        yield return OfPath(disk.Path);
        if (disk.LuksUuid is { } luks)
        {
            yield return OfLuks(luks);
        }

        if (disk.VM is { } vm)
        {
            yield return new(TermKind.VM, vm.ToUpperInvariant());
        }

        if (disk.VMUuid is { } uuid)
        {
            yield return Of(TermKind.VMUuid, uuid);
        }

        if (disk.Image is { } image)
        {
            yield return Of(TermKind.Image, image);
        }
    }

    public bool Fits(DiskKeyEntry entry) => Of(entry).Contains(this);

    /// <summary>What stands for the term in an index: the first eight bytes of the SHA-256 of its kind and text.</summary>
    public ulong Hash
    {
        get
        {
            Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData([(byte)Kind, .. Encoding.UTF8.GetBytes(Text)], digest);
            return BinaryPrimitives.ReadUInt64BigEndian(digest);
        }
    }
}
