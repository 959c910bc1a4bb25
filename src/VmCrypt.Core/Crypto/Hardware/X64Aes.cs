using System.Runtime.Intrinsics;
using Instructions = System.Runtime.Intrinsics.X86.Aes;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>AES by the AES-NI instructions.</summary>
internal static class X64Aes
{
    public readonly struct Encryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => state ^ firstKey;

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) =>
            Instructions.Encrypt(state, keyAfter);

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) =>
            Instructions.EncryptLast(state, lastKey);

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => encryptionKey;
    }

    public readonly struct Decryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => state ^ firstKey;

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) =>
            Instructions.Decrypt(state, keyAfter);

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) =>
            Instructions.DecryptLast(state, lastKey);

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => Instructions.InverseMixColumns(encryptionKey);
    }
}
