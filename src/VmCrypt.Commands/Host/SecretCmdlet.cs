using System.Management.Automation;
using System.Security;
using System.Text.Unicode;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>A command on images that takes a secret.</summary>
public abstract class SecretCmdlet : ImageCmdlet
{
    private SecretBuffer? _secret;
    private bool _read;

    [Parameter]
    public SecureString? Passphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? KeyFile { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long KeyFileOffset { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? KeyFileSize { get; set; }

    [Parameter]
    public PSCredential? Credential { get; set; }

    /// <summary>The secret that the user gave, lent out until the command is disposed; null for none.</summary>
    private protected SecretBuffer? GivenSecret()
    {
        if (!_read)
        {
            _secret = new SecretSource
            {
                Passphrase = Passphrase,
                KeyFile = KeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(KeyFile), KeyFileOffset, KeyFileSize),
                Credential = Credential,
            }.Read();
            _read = true;
        }

        return _secret;
    }

    /// <summary>The secret that opens an existing disk: given, or asked for once. Lent out like <see cref="GivenSecret"/>.</summary>
    private protected SecretBuffer RequireSecret() => GivenSecret() ?? (_secret = Ask("Passphrase"));

    /// <summary>A secret that is to be set: given, or asked for twice; owned by the caller.</summary>
    private protected SecretBuffer RequireNewSecret(SecretBuffer? given, string prompt)
    {
        SecretBuffer secret = given ?? AskTwice(prompt);
        if (secret.Length == 0)
        {
            throw new InvalidInputException(ErrorIds.SecretEmpty, "An empty passphrase protects nothing; nothing was changed.");
        }

        // A QEMU secret is a C string of UTF-8: other bytes work with cryptsetup and with us, but never reach QEMU's LUKS code.
        if (!Utf8.IsValid(secret.Span) || secret.Span.Contains((byte)0))
        {
            Shell.WriteWarning("The new key is not UTF-8 text, or holds a NUL byte: cryptsetup opens the disk with it, QEMU and libvirt cannot.");
        }

        return secret;
    }

    protected override void Dispose(bool disposing)
    {
        _secret?.Dispose();
        base.Dispose(disposing);
    }

    private SecretBuffer AskTwice(string prompt)
    {
        SecretBuffer first = Ask(prompt);
        using SecretBuffer second = Ask($"{prompt}, once more");
        if (!first.FixedTimeEquals(second.Span))
        {
            first.Dispose();
            throw new InvalidInputException(ErrorIds.SecretMismatch, "The two passphrases are not the same; nothing was changed.");
        }

        return first;
    }

    private SecretBuffer Ask(string prompt)
    {
        using SecureString text = Shell.AskSecret(prompt)
            ?? throw new InvalidInputException(ErrorIds.KeyRequired, $"{prompt}: none was given, and there is no terminal to ask on.");
        return SecretSource.Utf8Of(text);
    }
}
