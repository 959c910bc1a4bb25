using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Proof;

/// <summary>What a test could do and could not, beside what it has seen.</summary>
internal sealed class ProofNotes
{
    public bool KeysGiven { get; init; }

    public bool Full { get; init; }

    /// <summary>Why a file that the image names was not opened; null where all were.</summary>
    public VmCryptException? Missing { get; init; }

    /// <summary>Layers that the keys do not open; a sentence each.</summary>
    public List<string> Unopened { get; } = [];
}
