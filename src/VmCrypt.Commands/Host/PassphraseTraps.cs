using System.Text.Unicode;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Commands.Host;

/// <summary>Who will not be able to open a disk with a passphrase, said while there is still time to take another.</summary>
internal static class PassphraseTraps
{
    // What cryptsetup reads from a terminal, of whatever is typed.
    private const int LongestTyped = 512;

    // REMOTE_SECRET_VALUE_MAX of libvirt's protocol.
    private const int LongestOfLibvirt = 64 * 1024;

    /// <param name="fromFile">The bytes are those of a key file, from which nothing was stripped.</param>
    /// <param name="forQemu">The disk is one that QEMU can open.</param>
    public static IEnumerable<string> Of(SecretBuffer secret, bool fromFile, bool forQemu)
    {
        // A QEMU secret is a C string of UTF-8: other bytes work with cryptsetup and with us, but never reach QEMU's LUKS code.
        bool isText = Utf8.IsValid(secret.Span) && !secret.Span.Contains((byte)0);
        if (!isText && forQemu)
        {
            yield return "The key is not UTF-8 text, or holds a NUL byte: cryptsetup opens the disk with it, QEMU and libvirt cannot.";
        }

        if (isText && fromFile && secret.Span[^1] == (byte)'\n')
        {
            yield return "The key file ends with a line break, which is a part of the key: QEMU's secret files and cryptsetup's --key-file keep it, "
                + "but nobody can type it, and cryptsetup drops it from standard input.";
        }

        if (forQemu && secret.Length > LongestOfLibvirt)
        {
            yield return $"The key has {secret.Length} bytes, but a secret of libvirt has {LongestOfLibvirt} at most: no VM of libvirt can have the disk.";
        }
        else if (isText && secret.Length > LongestTyped)
        {
            yield return $"The key has {secret.Length} bytes, but cryptsetup cuts what is typed after {LongestTyped}: it opens the disk with a key file only.";
        }
    }
}
