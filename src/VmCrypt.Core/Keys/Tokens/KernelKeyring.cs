using System.Runtime.InteropServices;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>Passphrases in Linux' keyrings: a key of the type <c>user</c>, found in the keyrings of this process by its description.</summary>
internal static partial class KernelKeyring
{
    private const long KeyctlRead = 11;

    // The numbers of request_key and keyctl differ by architecture, and libc has no names for them.
    private static readonly (long RequestKey, long Keyctl)? s_calls = RuntimeInformation.ProcessArchitecture switch
    {
        _ when !OperatingSystem.IsLinux() => null,
        Architecture.X64 => (249, 250),
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => (218, 219),
        _ => null,
    };

    /// <summary>The key's bytes, owned by the caller.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KeyTokenUnsupported"/>: a system without keyrings.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyTokenHelperFailed"/>: no such key, or not for us.</exception>
    public static SecretBuffer Read(string description)
    {
        (long requestKey, long keyctl) = s_calls ?? throw new UnsupportedFeatureException(
            ErrorIds.KeyTokenUnsupported, "The token names a key in a Linux kernel's keyring, which this system has not.");
        nint key = Call(requestKey, "user\0"u8, Encoding.UTF8.GetBytes(description + '\0'));
        nint length = key < 0 ? key : Read(keyctl, (int)key, []);
        if (length <= 0)
        {
            throw new DeviceFaultException(ErrorIds.KeyTokenHelperFailed,
                $"The kernel's keyring does not give the key '{description}': {(length == 0 ? "it is empty" : Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()))}.");
        }

        var secret = new SecretBuffer((int)length);
        if (Read(keyctl, (int)key, secret.Span) == length)
        {
            return secret;
        }

        secret.Dispose();
        throw new DeviceFaultException(ErrorIds.KeyTokenHelperFailed, $"The key '{description}' in the kernel's keyring changed while it was read.");
    }

    private static unsafe nint Call(long number, ReadOnlySpan<byte> type, ReadOnlySpan<byte> description)
    {
        fixed (byte* first = type, second = description)
        {
            return SystemCall((nint)number, (nint)first, (nint)second, 0, 0, 0);
        }
    }

    private static unsafe nint Read(long number, int key, Span<byte> target)
    {
        fixed (byte* start = target)
        {
            return SystemCall((nint)number, (nint)KeyctlRead, key, (nint)start, target.Length, 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, nint second, nint third, nint fourth, nint fifth);
}
