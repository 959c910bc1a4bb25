using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Wipe.Medium;

/// <summary>What happens to the old bytes when a file's bytes are overwritten.</summary>
public enum StorageNature
{
    /// <summary>Nobody told; nothing can be promised.</summary>
    Unknown,

    /// <summary>The new bytes take the place of the old ones.</summary>
    InPlace,

    /// <summary>In place, but a copy passes through the file system's journal.</summary>
    DataJournal,

    /// <summary>The new bytes go elsewhere, the old ones stay until their blocks are used again.</summary>
    CopyOnWrite,

    /// <summary>The bytes lie on other machines.</summary>
    Network,

    /// <summary>The bytes lie in memory, or in swap.</summary>
    Memory,

    /// <summary>One file system over another; the lower one keeps its own.</summary>
    Layered,
}

/// <summary>The file system that holds a target.</summary>
public sealed record FileSystemFacts(string Type, string Place, string Source, StorageNature Nature)
{
    /// <param name="fileFlags">FS_IOC_GETFLAGS of the file, 0 where unknown.</param>
    internal static FileSystemFacts Of(MountEntry mount, uint fileFlags) =>
        new(mount.Type, mount.Place, mount.Source, NatureOf(mount.Type, mount.Options, fileFlags));

    internal static StorageNature NatureOf(string type, IReadOnlyList<string> options, uint fileFlags)
    {
        bool noCopyOnWrite = (fileFlags & 0x00800000) != 0; // chattr +C
        bool journalled = (fileFlags & 0x00004000) != 0; // chattr +j
        return type switch
        {
            "ext2" or "vfat" or "msdos" or "exfat" or "ntfs" or "ntfs3" or "hfsplus" or "jfs" or "udf" => StorageNature.InPlace,
            "ext3" or "ext4" => journalled || options.Contains("data=journal") ? StorageNature.DataJournal : StorageNature.InPlace,
            // Reflinked extents of XFS are copied on write; FIEMAP marks those one by one.
            "xfs" => StorageNature.InPlace,
            // The mount option decides for new files only; the file's own flag tells what is so.
            "btrfs" => noCopyOnWrite ? StorageNature.InPlace : StorageNature.CopyOnWrite,
            "zfs" or "bcachefs" or "f2fs" or "nilfs2" or "apfs" => StorageNature.CopyOnWrite,
            "tmpfs" or "ramfs" or "hugetlbfs" or "devtmpfs" => StorageNature.Memory,
            "overlay" or "aufs" or "ecryptfs" => StorageNature.Layered,
            "nfs" or "nfs4" or "cifs" or "smb3" or "9p" or "virtiofs" or "ceph" or "glusterfs" or "gpfs" or "lustre" or "ocfs2" or "gfs2" => StorageNature.Network,
            _ when type.StartsWith("fuse", StringComparison.Ordinal) => StorageNature.Layered,
            _ => StorageNature.Unknown,
        };
    }
}
