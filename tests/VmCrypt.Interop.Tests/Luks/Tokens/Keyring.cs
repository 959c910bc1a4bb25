using System.Runtime.InteropServices;
using System.Text;

namespace VmCrypt.Interop.Tests.Luks.Tokens;

/// <summary>A key of the type <c>user</c> in this process' own keyring, until it is disposed.</summary>
internal sealed class Keyring : IDisposable
{
    private const nint ProcessKeyring = -2;
    private const nint KeyctlUnlink = 9;

    private static readonly (nint AddKey, nint Keyctl) s_calls = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (248, 250) : (217, 219);

    private readonly nint _key;

    private Keyring(nint key) => _key = key;

    /// <summary>Stores a key, or skips the test where the kernel does not let us.</summary>
    public static Keyring Add(string description, string passphrase)
    {
        byte[] payload = Encoding.UTF8.GetBytes(passphrase);
        nint key = AddKey(s_calls.AddKey, "user", description, payload, payload.Length, -4);
        Assert.SkipWhen(key < 0, "the kernel's keyring is not to be had here");
        return new Keyring(key);
    }

    public void Dispose() => _ = Unlink(s_calls.Keyctl, KeyctlUnlink, _key, -4, 0, 0);

    [DllImport("libc", EntryPoint = "syscall", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern nint AddKey(nint number, string type, string description, byte[] payload, nint length, nint keyring);

    [DllImport("libc", EntryPoint = "syscall")]
    private static extern nint Unlink(nint number, nint operation, nint key, nint keyring, nint unused, nint unusedToo);
}
