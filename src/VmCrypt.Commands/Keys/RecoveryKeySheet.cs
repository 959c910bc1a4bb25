using System.Security;
using System.Text;
using VmCrypt.Core.Keys;

namespace VmCrypt.Commands.Keys;

/// <summary>A recovery key and where it fits: what is to be printed and put into a safe.</summary>
public sealed class RecoveryKeySheet
{
    internal RecoveryKeySheet(string path, string? detachedHeader, MadeRecoveryKey made, bool asPlainText)
    {
        Path = path;
        DetachedHeader = detachedHeader;
        Slot = made.Slot;
        Token = made.Token;
        Created = DateTimeOffset.Now;
        RecoveryKey = asPlainText ? Encoding.ASCII.GetString(made.Key.Span) : Secure(made.Key.Span);
    }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where the slot lies if not in the image.</summary>
    public string? DetachedHeader { get; }

    /// <summary>The key slot that the key opens.</summary>
    public int Slot { get; }

    /// <summary>The token that says so; null in LUKS1.</summary>
    public int? Token { get; }

    public DateTimeOffset Created { get; }

    /// <summary>Eight groups of eight letters: a SecureString, or text where that was asked for.</summary>
    public object RecoveryKey { get; }

    private static SecureString Secure(ReadOnlySpan<byte> printed)
    {
        var secure = new SecureString();
        foreach (byte letter in printed)
        {
            secure.AppendChar((char)letter);
        }

        secure.MakeReadOnly();
        return secure;
    }
}
