using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>The wrapping key is sealed by Windows for the account that makes the protector.</summary>
internal static partial class DpapiProtection
{
    private const uint NoDialogues = 1;

    public static (KeyProtector Draft, SecretBuffer Key) Make(KeyProtector draft)
    {
        SecretBuffer key = SecretBuffer.Random(StoreKey.Size);
        try
        {
            using SecretBuffer blob = OperatingSystem.IsWindows() ? Call(key, protect: true) : throw Missing();
            return (draft with { Sealed = Convert.ToBase64String(blob.Span) }, key);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>: another account, or another machine.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyProtectorInvalid"/>.</exception>
    public static SecretBuffer Open(KeyProtector protector)
    {
        byte[] blob = new byte[protector.Sealed!.Length];
        if (!Convert.TryFromBase64String(protector.Sealed, blob, out int length))
        {
            throw new InvalidImageException(ErrorIds.KeyProtectorInvalid, "What Windows sealed for the key store is not base64.");
        }

        using SecretBuffer input = SecretBuffer.CopyOf(blob.AsSpan(0, length));
        return OperatingSystem.IsWindows() ? Call(input, protect: false) : throw Missing();
    }

    private static UnsupportedFeatureException Missing() =>
        new(ErrorIds.KeyProtectorUnavailable, "The data protection of Windows is not to be had on this system.");

    [SupportedOSPlatform("windows")]
    private static unsafe SecretBuffer Call(SecretBuffer input, bool protect)
    {
        fixed (byte* bytes = input.Span)
        {
            var given = new Blob { Length = (uint)input.Length, Data = (nint)bytes };
            Blob made;
            bool done = protect
                ? CryptProtectData(in given, 0, 0, 0, 0, NoDialogues, out made)
                : CryptUnprotectData(in given, 0, 0, 0, 0, NoDialogues, out made);
            if (!done)
            {
                throw new WrongKeyException(ErrorIds.KeyStoreLocked,
                    $"Windows does not {(protect ? "seal" : "open")} the key of the key store for this account: {new Win32Exception(Marshal.GetLastPInvokeError()).Message}");
            }

            var result = new Span<byte>((void*)made.Data, (int)made.Length);
            try
            {
                return SecretBuffer.CopyOf(result);
            }
            finally
            {
                result.Clear();
                Marshal.FreeHGlobal(made.Data);
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Blob
    {
        public uint Length;
        public nint Data;
    }

    [LibraryImport("crypt32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CryptProtectData(in Blob input, nint description, nint entropy, nint reserved, nint prompt, uint flags, out Blob output);

    [LibraryImport("crypt32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CryptUnprotectData(in Blob input, nint description, nint entropy, nint reserved, nint prompt, uint flags, out Blob output);
}
