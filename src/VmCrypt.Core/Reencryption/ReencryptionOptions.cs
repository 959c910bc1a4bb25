using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>What an image is to become in its place, and how.</summary>
public sealed record ReencryptionOptions
{
    /// <summary>The image: a file or block device.</summary>
    public required DiskLocation Location { get; init; }

    /// <summary>The format of the file, as for every opening: a fixed VHD must be named; null to recognise it.</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>The detached header, existing or to be made; null where the header stands in front.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>Of the header at the end; null for what it is, or LUKS2 for a new one.</summary>
    public LuksVersion? Version { get; init; }

    /// <summary>Cipher, key size, hash, cost and LUKS2's sizes of the encryption to come; its version does not matter.</summary>
    public LuksFormatOptions Encryption { get; init; } = LuksFormatOptions.Default;

    public ReencryptionResilience Resilience { get; init; }

    /// <summary>Encrypting: give up the last bytes of the disk, twice the header's length, instead of growing the file.</summary>
    public bool ReduceSize { get; init; }

    /// <summary>Encrypting: leave holes as they are; what was zeros there reads as noise afterwards.</summary>
    public bool LeaveHoles { get; init; }

    /// <summary>qcow2, VHDX, VHD: overwrite all of the file to which nothing refers when all is done; what that held before was not encrypted.</summary>
    public bool WipeFreed { get; init; }

    /// <summary>Encrypting, decrypting: go on although other images of the folder are built on this one.</summary>
    public bool Force { get; init; }

    /// <summary>A new key: go on although other key slots, whose passphrases were not given, will be gone.</summary>
    public bool DropOtherSlots { get; init; }

    /// <summary>Bytes that are rewritten in one step at most.</summary>
    internal int ZoneLength { get; init; } = PayloadReencryption.DefaultZoneLength;
}
