using System.Runtime.Intrinsics;
using Instructions = System.Runtime.Intrinsics.Arm.Aes;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>AES by the ARMv8 cryptographic extension.</summary>
internal static class Arm64Aes
{
    public readonly struct Encryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => state;

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) =>
            Instructions.MixColumns(Instructions.Encrypt(state, keyBefore));

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) =>
            Instructions.Encrypt(state, keyBefore) ^ lastKey;

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => encryptionKey;
    }

    public readonly struct Decryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => state;

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) =>
            Instructions.InverseMixColumns(Instructions.Decrypt(state, keyBefore));

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) =>
            Instructions.Decrypt(state, keyBefore) ^ lastKey;

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => Instructions.InverseMixColumns(encryptionKey);
    }
}
