using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Interop.Tests.Crypto;

/// <summary>Random costs, keys and salts against Debian's argon2 program, over every way to compute Argon2.</summary>
public sealed class Argon2ProgramTests
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    public static TheoryData<Argon2Path, Argon2Variant, Argon2Version> Matrix
    {
        get
        {
            var data = new TheoryData<Argon2Path, Argon2Variant, Argon2Version>();
            foreach (Argon2Path path in Argon2Paths.Available)
            {
                foreach (Argon2Variant variant in Enum.GetValues<Argon2Variant>())
                {
                    foreach (Argon2Version version in Enum.GetValues<Argon2Version>())
                    {
                        data.Add(path, variant, version);
                    }
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public void Derives_the_same_keys(Argon2Path path, Argon2Variant variant, Argon2Version version)
    {
        for (int i = 0; i < 8; i++)
        {
            int lanes = Random.Shared.Next(1, 9);
            var cost = new Argon2Cost(Random.Shared.Next(8 * lanes, 5000), Random.Shared.Next(1, 6), lanes);
            string passphrase = RandomNumberGenerator.GetString(Letters, Random.Shared.Next(1, 100));
            string salt = RandomNumberGenerator.GetString(Letters, Random.Shared.Next(8, 60));
            byte[] key = new byte[Random.Shared.Next(4, 200)];

            Argon2.Derive(
                variant, Encoding.ASCII.GetBytes(passphrase), Encoding.ASCII.GetBytes(salt), [], [], cost, key, version, path,
                TestContext.Current.CancellationToken);

            Assert.Equal(Ask(variant, version, passphrase, salt, cost, key.Length), Convert.ToHexStringLower(key));
        }
    }

    private static string Ask(Argon2Variant variant, Argon2Version version, string passphrase, string salt, Argon2Cost cost, int keySize)
    {
        Tools.Require("argon2");
        string[] arguments =
        [
            salt, variant == Argon2Variant.I ? "-i" : "-id", "-v", version == Argon2Version.V10 ? "10" : "13",
            "-t", cost.Passes.ToString(), "-k", cost.MemoryKiB.ToString(), "-p", cost.Lanes.ToString(), "-l", keySize.ToString(), "-r",
        ];
        using Process process = Process.Start(new ProcessStartInfo("argon2", arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        process.StandardInput.Write(passphrase);
        process.StandardInput.Close();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output.Trim();
    }
}
