using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Luks;
using VmCrypt.Interop.Tests.Luks.Tokens;

namespace VmCrypt.Interop.Tests.Keys;

/// <summary>A key store that opens by the host's TPM.</summary>
[Collection(nameof(SwTpm))]
public sealed class KeyStoreTpmTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_opens_while_the_registers_stand_as_they_did_and_on_no_other_machine()
    {
        Tools.Require("clevis-encrypt-tpm2");
        using SwTpm tpm = await SwTpm.StartAsync(_scratch);
        tpm.Announce();
        DiskKeyStore store = DiskKeyStore.Of(new ConfigurationFolder(_scratch["config"]));
        KeyStoreFacts facts = await store.CreateAsync(NewKeyProtector.OfTpm([7, 0]), Token);
        tpm.Flush();
        Assert.Equal((KeyProtectorKind.Tpm, "TPM 2.0, PCR 7+0 (sha256)"), (facts.Protectors[0].Kind, facts.Protectors[0].Detail));

        using (DiskKeyRing ring = await store.UnlockAsync(passphrase: null, Token))
        {
            tpm.Flush();
            using SecretBuffer master = SecretBuffer.CopyOf("master"u8);
            await ring.AddProtectorAsync(NewKeyProtector.OfPassphrase(master, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 64, 1)), Token);
        }

        Tools.Run("tpm2_pcrextend", "0:sha256=" + new string('a', 64));
        var changed = await Assert.ThrowsAsync<WrongKeyException>(() => store.UnlockAsync(passphrase: null, Token));
        Assert.Equal((ErrorIds.KeyStoreLocked, ErrorIds.KeyTokenHelperFailed), (changed.ErrorId, (changed.InnerException as VmCryptException)?.ErrorId));
        tpm.Flush();

        using SwTpm other = await SwTpm.StartAsync(_scratch);
        other.Announce();
        await Assert.ThrowsAsync<WrongKeyException>(() => store.UnlockAsync(passphrase: null, Token));

        using SecretBuffer given = SecretBuffer.CopyOf("master"u8);
        (await store.UnlockAsync(given, Token)).Dispose();
    }

    public void Dispose() => _scratch.Dispose();
}
