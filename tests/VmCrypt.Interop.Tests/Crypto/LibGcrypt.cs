using System.Runtime.InteropServices;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Interop.Tests.Crypto;

/// <summary>The library behind many cryptsetup and QEMU builds, as an oracle for every cipher and mode of one sector.</summary>
internal static partial class LibGcrypt
{
    private const string Library = "libgcrypt.so.20";

    public static void Require()
    {
        Assert.SkipUnless(NativeLibrary.TryLoad(Library, out _), $"{Library} is not installed");
        CheckVersion(0);
    }

    /// <summary>One sector under an IV of its block size; an empty one for ECB.</summary>
    public static byte[] Encrypt(CipherSpec spec, byte[] key, byte[] iv, byte[] sector)
    {
        Check(Open(out nint handle, AlgorithmOf(spec, key), ModeOf(spec.Mode), 0));
        try
        {
            Check(SetKey(handle, key, (nuint)key.Length));
            Check(spec.Mode switch
            {
                CipherMode.Ecb => 0,
                CipherMode.Ctr => SetCounter(handle, iv, (nuint)iv.Length),
                _ => SetIv(handle, iv, (nuint)iv.Length),
            });
            byte[] encrypted = new byte[sector.Length];
            Check(Encrypt(handle, encrypted, (nuint)encrypted.Length, sector, (nuint)sector.Length));
            return encrypted;
        }
        finally
        {
            Close(handle);
        }
    }

    private static uint AlgorithmOf(CipherSpec spec, byte[] key)
    {
        int bits = key.Length * 8 / (spec.Mode == CipherMode.Xts ? 2 : 1);
        return spec.Algorithm switch
        {
            CipherAlgorithm.Aes => bits switch { 128 => 7, 192 => 8, _ => 9 },
            CipherAlgorithm.Serpent => bits switch { 128 => 304, 192 => 305, _ => 306 },
            CipherAlgorithm.Twofish => bits == 128 ? 303u : 10,
            _ => 3,
        };
    }

    private static uint ModeOf(CipherMode mode) => mode switch
    {
        CipherMode.Ecb => 1,
        CipherMode.Cbc => 3,
        CipherMode.Ctr => 6,
        _ => 13,
    };

    private static void Check(uint error) => Assert.Equal(0u, error);

    [LibraryImport(Library, EntryPoint = "gcry_check_version")]
    private static partial nint CheckVersion(nint required);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_open")]
    private static partial uint Open(out nint handle, uint algorithm, uint mode, uint flags);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_setkey")]
    private static partial uint SetKey(nint handle, byte[] key, nuint length);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_setiv")]
    private static partial uint SetIv(nint handle, byte[] iv, nuint length);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_setctr")]
    private static partial uint SetCounter(nint handle, byte[] counter, nuint length);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_encrypt")]
    private static partial uint Encrypt(nint handle, byte[] target, nuint targetLength, byte[] source, nuint sourceLength);

    [LibraryImport(Library, EntryPoint = "gcry_cipher_close")]
    private static partial void Close(nint handle);
}
