using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>One begins, the other finishes.</summary>
public sealed class CryptsetupReencryptTests : IDisposable
{
    private const long Part = 9 << 20;

    private readonly ReencryptionLab _lab = new();

    private static string[] Quick => ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

    [Theory]
    [InlineData(512, false, ReencryptionResilience.Checksum)]
    [InlineData(4096, false, ReencryptionResilience.Checksum)]
    [InlineData(4096, false, ReencryptionResilience.Journal)]
    [InlineData(512, true, ReencryptionResilience.Checksum)]
    public async Task It_finishes_a_new_key_that_we_began(int sector, bool detached, ReencryptionResilience resilience)
    {
        await _lab.WriteEncryptedAsync(sector, detached);
        await _lab.WithSecretAsync(secret => _lab.StopAsync(Part, (progress, token) =>
            DiskReencryption.UpdateKeyAsync(_lab.Options(detached, 512, resilience), secret, [secret], progress, token)));

        _lab.Cryptsetup(["reencrypt", "--resume-only", .. _lab.Place(detached)]);

        await _lab.VerifyEncryptedAsync(detached);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_finishes_an_encryption_that_we_began(bool detached)
    {
        _lab.WritePlain();
        await _lab.WithSecretAsync(secret => _lab.StopAsync(Part, (progress, token) =>
            DiskReencryption.ProtectAsync(_lab.Options(detached), secret, progress, token)));

        _lab.Cryptsetup(["reencrypt", "--resume-only", .. _lab.Place(detached)]);

        await _lab.VerifyEncryptedAsync(detached);
    }

    [Theory]
    [InlineData(false, ReencryptionResilience.Checksum)]
    [InlineData(false, ReencryptionResilience.Journal)]
    [InlineData(true, ReencryptionResilience.Checksum)]
    public async Task It_finishes_a_decryption_that_we_began(bool detached, ReencryptionResilience resilience)
    {
        await _lab.WriteEncryptedAsync(512, detached);
        await _lab.WithSecretAsync(secret => _lab.StopAsync(Part, (progress, token) =>
            DiskReencryption.UnprotectAsync(_lab.Options(detached, null, resilience), secret, progress, token)));

        string header = detached ? _lab.Header : _lab.Image + ".vmcrypt-header";
        _lab.Cryptsetup("reencrypt", "--resume-only", "--header", header, _lab.Image);

        _lab.VerifyPlain();
    }

    [Theory]
    [InlineData(512, false, "checksum")]
    [InlineData(4096, false, "journal")]
    [InlineData(512, true, "checksum")]
    public async Task We_finish_a_new_key_that_it_began(int sector, bool detached, string resilience)
    {
        await _lab.WriteEncryptedAsync(sector, detached);
        _lab.KillCryptsetup(Part, ["reencrypt", .. Quick, "--resilience", resilience, "--hotzone-size", "1M", .. _lab.Place(detached)]);

        await _lab.ResumeAsync(detached);

        await _lab.VerifyEncryptedAsync(detached);
    }

    [Fact]
    public async Task We_finish_an_encryption_that_it_began_in_front()
    {
        _lab.WritePlain();
        using (FileStream file = File.OpenWrite(_lab.Image))
        {
            file.SetLength(_lab.Plain.Length + (8 << 20));
        }

        _lab.KillCryptsetup(Part, ["reencrypt", "--encrypt", "--type", "luks2", .. Quick, "--reduce-device-size", "8M", _lab.Image]);

        await _lab.ResumeAsync(detached: false);

        await _lab.VerifyEncryptedAsync(detached: false);
    }

    [Fact]
    public async Task We_finish_an_encryption_that_it_began_with_a_detached_header()
    {
        _lab.WritePlain();
        _lab.KillCryptsetup(Part, ["reencrypt", "--encrypt", "--type", "luks2", .. Quick, "--hotzone-size", "1M", .. _lab.Place(detached: true)]);

        await _lab.ResumeAsync(detached: true);

        await _lab.VerifyEncryptedAsync(detached: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task We_finish_a_decryption_that_it_began(bool detached)
    {
        await _lab.WriteEncryptedAsync(512, detached);
        _lab.KillCryptsetup(Part, ["reencrypt", "--decrypt", "--hotzone-size", "1M", .. _lab.Place(detached: true)]);

        await _lab.ResumeAsync(detached: true);

        _lab.VerifyPlain();
    }

    [Theory]
    [InlineData(512, ReencryptionResilience.Checksum)]
    [InlineData(4096, ReencryptionResilience.Journal)]
    public async Task It_recovers_a_zone_in_which_we_were_killed(int sector, ReencryptionResilience resilience)
    {
        await _lab.WriteEncryptedAsync(sector, detached: false);
        await _lab.WithSecretAsync(secret => _lab.StopHotAsync(detached: false, _lab.Options(false, null, resilience), image =>
            DiskReencryption.UpdateKeyAsync(image, secret, [secret], null, TestContext.Current.CancellationToken)));

        await RecoverByCryptsetupAsync(detached: false, _lab.Image);

        await _lab.VerifyEncryptedAsync(detached: false);
    }

    [Fact]
    public async Task It_recovers_an_encryption_in_which_we_were_killed()
    {
        _lab.WritePlain();
        await _lab.WithSecretAsync(secret => _lab.StopHotAsync(detached: false, _lab.Options(false), image =>
            DiskReencryption.ProtectAsync(image, secret, null, TestContext.Current.CancellationToken)));

        await RecoverByCryptsetupAsync(detached: false, _lab.Image);

        await _lab.VerifyEncryptedAsync(detached: false);
    }

    [Fact]
    public async Task It_recovers_a_decryption_in_which_we_were_killed()
    {
        await _lab.WriteEncryptedAsync(4096, detached: false);
        await _lab.WithSecretAsync(secret => _lab.StopHotAsync(detached: false, _lab.Options(false), image =>
            DiskReencryption.UnprotectAsync(image, secret, null, TestContext.Current.CancellationToken)));

        await RecoverByCryptsetupAsync(detached: false, "--header", _lab.Image + ".vmcrypt-header", _lab.Image);

        _lab.VerifyPlain();
    }

    public void Dispose() => _lab.Dispose();

    // It asks whether to recover what it finds broken; the recovery alone comes first, so that both of its ways are gone.
    private async Task RecoverByCryptsetupAsync(bool detached, params string[] place)
    {
        _lab.Cryptsetup(["repair", .. place]);
        // The zone that it recovered may have been the last.
        if ((await _lab.DescribeAsync(detached)).Conversion is not null)
        {
            _lab.Cryptsetup(["reencrypt", "--resume-only", .. place]);
        }
    }
}
