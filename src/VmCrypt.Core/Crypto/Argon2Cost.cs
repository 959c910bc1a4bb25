using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>The variants that LUKS2 names.</summary>
public enum Argon2Variant
{
    /// <summary>argon2i: which blocks are read depends on no secret.</summary>
    I = 1,

    /// <summary>argon2id: so for half of the first pass, then by the data.</summary>
    Id = 2,
}

public enum Argon2Version
{
    /// <summary>Before 2016: later passes overwrite.</summary>
    V10 = 0x10,

    /// <summary>RFC 9106: later passes add.</summary>
    V13 = 0x13,
}

/// <summary>What one Argon2 computation costs.</summary>
public readonly record struct Argon2Cost
{
    /// <summary>The most that cryptsetup makes.</summary>
    public const int MaxMemoryKiB = 4 * 1024 * 1024;

    /// <summary>The least memory for each lane.</summary>
    public const int MinMemoryKiBPerLane = 8;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Argon2CostInvalid"/>.</exception>
    public Argon2Cost(int memoryKiB, int passes, int lanes)
    {
        if (passes < 1)
        {
            throw Invalid($"{passes} passes, but must have at least 1");
        }

        if (lanes is < 1 or > MaxMemoryKiB / MinMemoryKiBPerLane)
        {
            throw Invalid($"{lanes} lanes, but must have 1 to {MaxMemoryKiB / MinMemoryKiBPerLane}");
        }

        if (memoryKiB < lanes * MinMemoryKiBPerLane || memoryKiB > MaxMemoryKiB)
        {
            throw Invalid($"{memoryKiB} KiB of memory, but with {lanes} lanes must have {lanes * MinMemoryKiBPerLane} to {MaxMemoryKiB}");
        }

        MemoryKiB = memoryKiB;
        Passes = passes;
        Lanes = lanes;
    }

    public int MemoryKiB { get; }

    /// <summary>How often the memory is filled.</summary>
    public int Passes { get; }

    /// <summary>How many cores can work on it; part of the result.</summary>
    public int Lanes { get; }

    private static InvalidInputException Invalid(string what) => new(ErrorIds.Argon2CostInvalid, $"The Argon2 cost has {what}.");
}
