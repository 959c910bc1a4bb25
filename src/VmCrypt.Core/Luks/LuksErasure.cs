namespace VmCrypt.Core.Luks;

/// <summary>What the destruction of a header's key slots came to.</summary>
/// <param name="SlotsDestroyed">Slots that held a key.</param>
/// <param name="SlotsOverwritten">Slots whose key material was overwritten, in use or not.</param>
/// <param name="TokensRemoved">LUKS2: what opened slots beside passphrases.</param>
public sealed record LuksErasure(int SlotsDestroyed, int SlotsOverwritten, int TokensRemoved);
