namespace VmCrypt.Core.Luks;

public enum LuksVersion
{
    /// <summary>Binary header, eight key slots, PBKDF2. QEMU knows only this one.</summary>
    Luks1 = 1,

    /// <summary>JSON header in two copies, 32 key slots, PBKDF2 and Argon2.</summary>
    Luks2 = 2,
}

/// <summary>How versions are called.</summary>
public static class LuksVersions
{
    /// <summary><c>LUKS1</c>, <c>LUKS2</c>.</summary>
    public static string NameOf(LuksVersion version) => version.ToString().ToUpperInvariant();
}

/// <summary>Where a header lies in relation to the bytes that it protects.</summary>
public enum LuksPlacement
{
    /// <summary>In front of the payload, in the same file or device.</summary>
    Attached,

    /// <summary>In a file or device of its own; the payload is elsewhere.</summary>
    Detached,

    /// <summary>Inside a container (qcow2) that decides where the payload lies; the header's payload offset means nothing.</summary>
    Embedded,
}
