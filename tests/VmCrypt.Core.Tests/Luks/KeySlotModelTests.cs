using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Random sequences of slot changes against a plain table of who may open.</summary>
public sealed class KeySlotModelTests
{
    private readonly Dictionary<int, string> _model = new() { [0] = Sample.Passphrase };
    private int _passphrases;

    [Theory]
    [InlineData(1, LuksVersion.Luks1, "aes-xts-plain64", 64)]
    [InlineData(2, LuksVersion.Luks1, "aes-cbc-essiv:sha256", 16)]
    [InlineData(3, LuksVersion.Luks1, "aes-xts-plain64", 48)]
    [InlineData(4, LuksVersion.Luks1, "aes-cbc-plain64", 24)]
    [InlineData(5, LuksVersion.Luks1, "twofish-ctr-plain64", 16)]
    [InlineData(6, LuksVersion.Luks2, "aes-xts-plain64", 64)]
    [InlineData(7, LuksVersion.Luks2, "aes-cbc-essiv:sha256", 16)]
    [InlineData(8, LuksVersion.Luks2, "aes-cbc-plain64", 24)]
    public async Task Any_sequence_leaves_exactly_the_passphrases_that_were_given(int seed, LuksVersion version, string cipher, int keySize)
    {
        var random = new Random(seed);
        LuksFormatOptions options = Sample.Options with { Version = version, Cipher = CipherSpec.Parse(cipher), KeySize = keySize, ForQemu = false };
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(options);
        for (int step = 0; step < 20; step++)
        {
            await StepAsync(header, key, random);
            // Half of the time somebody else goes on from what the medium says.
            header = random.Next(2) == 0 ? header : await Sample.OpenAsync(device);
            Assert.Equal(_model.Keys.Order(), header.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number));
        }

        foreach ((int slot, string passphrase) in _model)
        {
            Unlocked unlocked = await header.UnlockAsync(passphrase);
            Assert.Equal(slot, unlocked.Slot);
            Assert.Equal(key.Span, unlocked.Key.Span);
        }

        for (int old = 0; old < _passphrases; old++)
        {
            if (!_model.ContainsValue(Passphrase(old)))
            {
                await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Passphrase(old)));
            }
        }
    }

    private async Task StepAsync(LuksHeader header, VolumeKey key, Random random)
    {
        int slot = random.Next(8);
        string passphrase = Passphrase(_passphrases);
        switch (random.Next(4))
        {
            case < 2 when !_model.ContainsKey(slot):
                Assert.Equal(slot, await header.AddAsync(key, passphrase, slot));
                _model[slot] = passphrase;
                _passphrases++;
                break;
            case 2 when _model.ContainsKey(slot) && _model.Count < 8:
                int moved = await header.ChangeAsync(key, slot, passphrase);
                int expected = header.Version == LuksVersion.Luks2 ? slot : Enumerable.Range(0, 8).First(number => !_model.ContainsKey(number));
                Assert.Equal(expected, moved);
                _model.Remove(slot);
                _model[moved] = passphrase;
                _passphrases++;
                break;
            case 3 when _model.ContainsKey(slot) && _model.Count > 1:
                await header.RemoveAsync(slot);
                _model.Remove(slot);
                break;
        }
    }

    private static string Passphrase(int number) => $"passphrase {number}";
}
