using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>A key slot of an image, as the commands show it and take it from the pipeline.</summary>
public sealed class KeySlot
{
    internal KeySlot(string path, string? detachedHeader, KeySlotFacts facts)
    {
        Path = path;
        DetachedHeader = detachedHeader;
        Slot = facts.Number;
        IsActive = facts.IsActive;
        Kdf = facts.Kdf;
        Hash = facts.Hash;
        Iterations = facts.Iterations;
        MemoryKiB = facts.MemoryKiB;
        Parallelism = facts.Parallelism;
        Priority = facts.Priority;
        IsBound = facts.IsBound;
        Tokens = facts.Tokens;
        AreaOffset = facts.AreaOffset;
        AreaLength = facts.AreaLength;
    }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where the slot lies if not in the image.</summary>
    public string? DetachedHeader { get; }

    /// <summary>Its number, from 0.</summary>
    public int Slot { get; }

    public bool IsActive { get; }

    /// <summary>What makes guessing dear: <c>pbkdf2</c>, <c>argon2i</c>, <c>argon2id</c>.</summary>
    public string Kdf { get; }

    public string Hash { get; }

    public long Iterations { get; }

    /// <summary>Memory of Argon2; 0 for PBKDF2.</summary>
    public long MemoryKiB { get; }

    public int Parallelism { get; }

    /// <summary>When the slot is tried; always normal in LUKS1.</summary>
    public KeySlotPriority Priority { get; }

    /// <summary>False where the slot holds a key of its own, which does not open the image.</summary>
    public bool IsBound { get; }

    /// <summary>The numbers of the tokens that open the slot.</summary>
    public int[] Tokens { get; }

    /// <summary>Bytes from the start of the LUKS header to the slot's key material.</summary>
    public long AreaOffset { get; }

    /// <summary>Bytes of key material.</summary>
    public long AreaLength { get; }
}
