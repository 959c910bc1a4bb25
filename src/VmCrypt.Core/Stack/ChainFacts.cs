using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>An unfinished conversion of a whole backing chain.</summary>
/// <param name="Mode">What is done to its layers.</param>
/// <param name="Layers">How many there are.</param>
/// <param name="Done">For how many of them nothing is left to do.</param>
public sealed record ChainFacts(ReencryptionMode Mode, int Layers, int Done);
