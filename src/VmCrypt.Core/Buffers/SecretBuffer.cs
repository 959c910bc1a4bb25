using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace VmCrypt.Core.Buffers;

/// <summary>Owned secret bytes: pinned so that the collector leaves no copies, locked in memory where allowed, wiped when disposed.</summary>
/// <remarks>
/// There is no conversion to text and no <c>ToString</c>. Ownership moves: a callee that takes a <see cref="SecretBuffer"/>
/// only borrows it unless its documentation says "takes"; <see cref="Move"/> hands the bytes on and leaves this one empty.
/// </remarks>
public sealed partial class SecretBuffer : IDisposable
{
    private byte[]? _bytes;

    /// <summary>A zeroed secret of <paramref name="length"/> bytes.</summary>
    public SecretBuffer(int length)
    {
        _bytes = GC.AllocateArray<byte>(length, pinned: true);
        Lock(_bytes);
    }

    private SecretBuffer(byte[] bytes) => _bytes = bytes;

    /// <summary>A copy of <paramref name="source"/>; the caller wipes its own.</summary>
    public static SecretBuffer CopyOf(ReadOnlySpan<byte> source)
    {
        var secret = new SecretBuffer(source.Length);
        source.CopyTo(secret.Span);
        return secret;
    }

    /// <summary>Fresh random bytes, for keys and salts that must stay secret.</summary>
    public static SecretBuffer Random(int length)
    {
        var secret = new SecretBuffer(length);
        RandomNumberGenerator.Fill(secret.Span);
        return secret;
    }

    public int Length => Bytes.Length;

    public Span<byte> Span => Bytes;

    public Memory<byte> Memory => Bytes;

    private byte[] Bytes => _bytes ?? throw new ObjectDisposedException(nameof(SecretBuffer));

    /// <summary>Hands the bytes to a new owner; this buffer is empty afterwards.</summary>
    public SecretBuffer Move()
    {
        var moved = new SecretBuffer(Bytes);
        _bytes = null;
        return moved;
    }

    public SecretBuffer Copy() => CopyOf(Span);

    /// <summary>Comparison whose time depends on the lengths only.</summary>
    public bool FixedTimeEquals(ReadOnlySpan<byte> other) => CryptographicOperations.FixedTimeEquals(Span, other);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
        {
            CryptographicOperations.ZeroMemory(bytes);
            Unlock(bytes);
        }
    }

    // Locking is best effort: RLIMIT_MEMLOCK is small for unprivileged users, and a key in swap is still better than no key.
    private static void Lock(byte[] bytes)
    {
        if (OperatingSystem.IsLinux() && bytes.Length > 0)
        {
            _ = MLock(Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), (nuint)bytes.Length);
        }
    }

    private static void Unlock(byte[] bytes)
    {
        // munlock works on whole pages, which neighbouring secrets may share: those stay locked only until the first is freed.
        if (OperatingSystem.IsLinux() && bytes.Length > 0)
        {
            _ = MUnlock(Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), (nuint)bytes.Length);
        }
    }

    [LibraryImport("libc", EntryPoint = "mlock")]
    private static partial int MLock(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "munlock")]
    private static partial int MUnlock(nint address, nuint length);
}
