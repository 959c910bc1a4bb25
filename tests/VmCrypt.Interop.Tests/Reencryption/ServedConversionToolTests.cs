using System.Diagnostics;
using System.Security.Cryptography;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Interop.Tests.Kill;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>QEMU's and libnbd's clients at work on disks that are being converted.</summary>
public sealed class ServedConversionToolTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const long Part = 4 * MiB;

    // More than the 16 MiB that lie aside where a disk moves.
    private readonly ReencryptionLab _lab = new(24 * MiB);
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _lab.Dispose();
        _scratch.Dispose();
    }

    [Theory]
    [InlineData("protect", false)]
    [InlineData("protect", true)]
    [InlineData("unprotect", false)]
    [InlineData("update", false)]
    public async Task What_clients_write_meanwhile_is_on_the_disk_that_comes_of_it(string what, bool detached)
    {
        ServedConversion served = await StartAsync(what, detached);
        using var pause = new ConversionPause(served.Conversion, Part);
        UseClients(served.Server.Uri);
        pause.Release();
        await served.Conversion.Completion;
        UseClients(served.Server.Uri);
        await served.StopAsync();

        await VerifyAsync(what, detached);
    }

    [Theory]
    [InlineData("protect", false)]
    [InlineData("unprotect", false)]
    [InlineData("update", true)]
    public async Task Cryptsetup_finishes_what_was_left_of_it(string what, bool detached)
    {
        ServedConversion served = await StartAsync(what, detached);
        using var pause = new ConversionPause(served.Conversion, Part);
        UseClients(served.Server.Uri);
        Task stopping = served.StopAsync();
        pause.Release();
        await stopping;
        Assert.Equal(LiveConversionState.Stopped, served.Conversion.State);

        string[] place = what == "unprotect" ? ["--header", _lab.Image + ".vmcrypt-header", _lab.Image] : _lab.Place(detached);
        _lab.Cryptsetup(["reencrypt", "--resume-only", .. place]);

        await VerifyAsync(what, detached);
    }

    [Fact]
    public async Task What_a_client_flushed_survives_kill_9()
    {
        Tools.Require("qemu-io");
        _lab.WritePlain();
        string[] key = ["-Passphrase", $"file:{_scratch.File("key", System.Text.Encoding.UTF8.GetBytes(ReencryptionLab.Passphrase))}"];
        string socket = _scratch["s"];
        using (Process process = Vmcrypt.Start(
            ["Protect-Image", _lab.Image, .. key, "-LuksVersion", "Luks2", "-Iterations", "1000", "-Kdf", "Pbkdf2", "-Force", "-Serve", "-Socket", socket]))
        {
            _ = await process.StandardOutput.ReadLineAsync(Token);
            Write(new NbdUri(new NbdAddress.Unix(socket), string.Empty), 5, 12 * MiB);
            process.Kill();
            await process.WaitForExitAsync(Token);
        }

        (int exitCode, string error) = Vmcrypt.TryRun(["Resume-ImageUpdate", _lab.Image, .. key]);

        Assert.True(exitCode == 0 || error.Contains(nameof(ErrorIds.Luks2NotReencrypting), StringComparison.Ordinal), error);
        await _lab.VerifyEncryptedAsync(detached: false);
    }

    private async Task<ServedConversion> StartAsync(string what, bool detached)
    {
        Tools.Require("qemu-io");
        Tools.Require("nbdcopy");
        if (what == "protect")
        {
            _lab.WritePlain();
        }
        else
        {
            await _lab.WriteEncryptedAsync(512, detached);
        }

        ServedConversion? served = null;
        await _lab.WithSecretAsync(async secret => served = await ServedConversion.StartAsync(
            token => BeginAsync(what, _lab.Options(detached), secret, token),
            new NbdServerOptions { Listen = [new NbdAddress.Unix(_scratch["socket"])] },
            name: string.Empty,
            description: what,
            Token));
        Assert.NotNull(served);
        return served;
    }

    private static Task<LiveConversion?> BeginAsync(string what, ReencryptionOptions options, SecretBuffer secret, CancellationToken token) => what switch
    {
        "protect" => LiveConversion.ProtectAsync(options, secret, token),
        "unprotect" => LiveConversion.UnprotectAsync(options, secret, token),
        _ => LiveConversion.UpdateKeyAsync(options, secret, [secret], token),
    };

    /// <summary>Writes to what is new and to what is old, and reads all.</summary>
    private void UseClients(NbdUri uri)
    {
        foreach (int at in new[] { 1 * MiB, 12 * MiB, 17 * MiB, 22 * MiB })
        {
            Write(uri, RandomNumberGenerator.GetInt32(1, 255), at);
        }

        Tools.Run("nbdcopy", $"{uri}", _scratch["seen"]);
        Assert.Equal(SHA256.HashData(_lab.Plain), SHA256.HashData(File.ReadAllBytes(_scratch["seen"])));
    }

    private void Write(NbdUri uri, int value, int at)
    {
        // Neither whole sectors of LUKS2 nor a part of one.
        (int offset, int length) = (at + 512, 70_144);
        Tools.Run("qemu-io", "-f", "raw", "-c", $"write -P {value} {offset} {length}", "-c", $"write -z {offset + length} 4096", "-c", "flush", $"{uri}");
        _lab.Plain.AsSpan(offset, length).Fill((byte)value);
        _lab.Plain.AsSpan(offset + length, 4096).Clear();
    }

    private async Task VerifyAsync(string what, bool detached)
    {
        if (what == "unprotect")
        {
            _lab.VerifyPlain();
            return;
        }

        await _lab.VerifyEncryptedAsync(detached);
    }
}
