using System.Runtime.InteropServices;

namespace VmCrypt.Core.Proof.Content;

/// <summary>Bytes by which a file system, partition table, archive or program is known.</summary>
/// <param name="Name">For people.</param>
/// <param name="Offset">Bytes from the start of a block of the disk.</param>
/// <param name="Magic">Of more than 60 bits it proves by itself that a block is no ciphertext; a shorter one only names a block that is known to be none.</param>
internal sealed record Signature(string Name, int Offset, byte[] Magic)
{
    private const int ProofBytes = 8;

    public bool IsProof => Magic.Length >= ProofBytes;

    public bool Matches(ReadOnlySpan<byte> block) => block.Length >= Offset + Magic.Length && block.Slice(Offset, Magic.Length).SequenceEqual(Magic);
}

/// <summary>The signatures that are looked for, at their places in every block of 4096 bytes.</summary>
/// <remarks>
/// Structures that stand farther into their file system (ext's superblock at 1024, btrfs' at 64 KiB + 64) keep their place in a block,
/// because partitions and file systems begin at multiples of 4096 bytes.
/// </remarks>
internal static class Signatures
{
    private static readonly Signature[] s_all =
    [
        new("GPT", 512, [.. "EFI PART"u8]),
        new("GPT (sectors of 4096)", 0, [.. "EFI PART"u8]),
        new("LUKS header", 0, [.. "LUKS"u8, 0xBA, 0xBE, 0, 1]),
        new("LUKS2 header", 0, [.. "LUKS"u8, 0xBA, 0xBE, 0, 2]),
        new("LUKS2 second header", 0, [.. "SKUL"u8, 0xBA, 0xBE, 0, 2]),
        new("LVM physical volume", 512, [.. "LABELONE"u8]),
        new("LVM metadata", 4, [.. " LVM2 x[5A%r0N*>"u8]),
        new("btrfs", 64, [.. "_BHRfS_M"u8]),
        new("swap", 4086, [.. "SWAPSPACE2"u8]),
        new("NTFS", 3, [.. "NTFS    "u8]),
        new("exFAT", 3, [.. "EXFAT   "u8]),
        new("FAT32", 82, [.. "FAT32   "u8]),
        new("FAT16", 54, [.. "FAT16   "u8]),
        new("FAT12", 54, [.. "FAT12   "u8]),
        new("BitLocker", 3, [.. "-FVE-FS-"u8]),
        new("ReFS", 3, [.. "ReFS\0\0\0\0"u8]),
        new("VHD footer", 0, [.. "conectix"u8]),
        new("VHDX", 0, [.. "vhdxfile"u8]),
        new("SQLite database", 0, [.. "SQLite format 3\0"u8]),
        new("PNG picture", 0, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
        new("Windows registry", 0, [.. "regf"u8]),
        new("Windows event log", 0, [.. "ElfFile\0"u8]),
        new("RAR archive", 0, [.. "Rar!"u8, 0x1A, 0x07, 0x01, 0x00]),
        new("systemd journal", 0, [.. "LPKSHHRH"u8]),
        new("XFS journal", 0, [0xFE, 0xED, 0xBA, 0xBE]),
        new("XFS", 0, [.. "XFSB"u8]),
        new("XFS inodes", 0, [.. "IN"u8, 0x81]),
        new("ext journal", 0, [0xC0, 0x3B, 0x39, 0x98]),
        new("ext file system", 1080, [0x53, 0xEF]),
        new("NTFS record", 0, [.. "FILE0"u8]),
        new("NTFS index", 0, [.. "INDX("u8]),
        new("qcow2", 0, [.. "QFI"u8, 0xFB]),
        new("VMDK", 0, [.. "KDMV"u8]),
        new("squashfs", 0, [.. "hsqs"u8]),
        new("ELF program", 0, [0x7F, .. "ELF"u8]),
        new("Windows program", 0, [.. "MZ"u8]),
        new("PDF", 0, [.. "%PDF-"u8]),
        new("gzip", 0, [0x1F, 0x8B, 0x08]),
        new("zip", 0, [.. "PK"u8, 0x03, 0x04]),
        new("xz", 0, [0xFD, .. "7zXZ"u8, 0x00]),
        new("7z", 0, [.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C]),
        new("zstd", 0, [0x28, 0xB5, 0x2F, 0xFD]),
        new("bzip2", 0, [.. "BZh9"u8]),
        new("JPEG picture", 0, [0xFF, 0xD8, 0xFF]),
        new("MBR or boot sector", 510, [0x55, 0xAA]),
    ];

    private static readonly (int Offset, ulong Start, Signature Signature)[] s_proofs =
        [.. s_all.Where(signature => signature.IsProof).Select(signature => (signature.Offset, MemoryMarshal.Read<ulong>(signature.Magic), signature))];

    public static IReadOnlyList<Signature> All => s_all;

    /// <summary>The first signature that stands in a block that is known to be no ciphertext.</summary>
    public static Signature? Name(ReadOnlySpan<byte> block)
    {
        foreach (Signature signature in s_all)
        {
            if (signature.Matches(block))
            {
                return signature;
            }
        }

        return null;
    }

    /// <summary>A signature that no ciphertext has: one block in 2^59 of it would.</summary>
    public static Signature? Proof(ReadOnlySpan<byte> block)
    {
        foreach ((int offset, ulong start, Signature signature) in s_proofs)
        {
            if (block.Length >= offset + sizeof(ulong) && MemoryMarshal.Read<ulong>(block[offset..]) == start && signature.Matches(block))
            {
                return signature;
            }
        }

        return null;
    }
}
