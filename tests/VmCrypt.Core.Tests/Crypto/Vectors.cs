using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

/// <summary>Rows for theories that run over every way this machine can compute AES.</summary>
public static class Vectors
{
    public static TheoryData<AesPath> AesPaths => [.. Core.Crypto.AesPaths.Available];

    public static TheoryData<AesPath, string, string> OverAesPaths(params (string Key, string Expected)[] rows)
    {
        var data = new TheoryData<AesPath, string, string>();
        foreach (AesPath path in Core.Crypto.AesPaths.Available)
        {
            foreach ((string key, string expected) in rows)
            {
                data.Add(path, key, expected);
            }
        }

        return data;
    }

    public static byte[] Random(int length)
    {
        byte[] bytes = new byte[length];
        System.Random.Shared.NextBytes(bytes);
        return bytes;
    }
}
