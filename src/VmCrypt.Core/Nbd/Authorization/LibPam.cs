using System.Runtime.InteropServices;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>The calls of Linux-PAM that account checks take.</summary>
internal static partial class LibPam
{
    public const int Success = 0;

    private const string Library = "libpam.so.0";
    private const int Silent = 0x8000;

    public static bool IsInstalled => NativeLibrary.TryLoad(Library, out _);

    /// <summary>PAM_SUCCESS, or the number of what stands against the user.</summary>
    public static int CheckAccount(string service, string user)
    {
        // Without a function to talk through: a module that wants to ask something fails.
        Conversation nobody = default;
        int verdict = Start(service, user, nobody, out nint handle);
        if (verdict != Success)
        {
            return verdict;
        }

        verdict = CheckAccount(handle, Silent);
        _ = End(handle, verdict);
        return verdict;
    }

    [LibraryImport(Library, EntryPoint = "pam_start", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Start(string service, string user, in Conversation conversation, out nint handle);

    [LibraryImport(Library, EntryPoint = "pam_acct_mgmt")]
    private static partial int CheckAccount(nint handle, int flags);

    [LibraryImport(Library, EntryPoint = "pam_end")]
    private static partial int End(nint handle, int status);

    /// <summary>struct pam_conv.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Conversation
    {
        private readonly nint _function;
        private readonly nint _data;
    }
}
