using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Commands.Keys;

/// <summary>A command that takes a secret and sets another.</summary>
public abstract class RekeyCmdlet : UnlockingCmdlet
{
    private SecretBuffer? _newSecret;

    [Parameter]
    public SecureString? NewPassphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NewKeyFile { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long NewKeyFileOffset { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? NewKeyFileSize { get; set; }

    /// <summary>The secret to set: given, or asked for twice; the same for all images, and lent out until the command is disposed.</summary>
    /// <param name="forQemu">The disk is one that QEMU can open, or nobody knows yet.</param>
    private protected SecretBuffer RequireNewSecret(bool forQemu = true)
    {
        if (_newSecret is null)
        {
            var source = new SecretSource
            {
                Passphrase = NewPassphrase,
                KeyFile = NewKeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(NewKeyFile), NewKeyFileOffset, NewKeyFileSize),
            };
            _newSecret = RequireNewSecret(source.Read(), "New passphrase", NewKeyFile is not null, forQemu);
        }

        return _newSecret;
    }

    protected override void Dispose(bool disposing)
    {
        _newSecret?.Dispose();
        base.Dispose(disposing);
    }
}
