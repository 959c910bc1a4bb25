using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

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

    /// <summary>Milliseconds.</summary>
    [Parameter]
    [ValidateRange(1, 600_000)]
    public int? IterTime { get; set; }

    [Parameter]
    [ValidateRange(KdfCost.MinIterations, KdfCost.MaxIterations)]
    public long? Iterations { get; set; }

    private protected KdfCost Cost => KdfCosts.Of(IterTime, Iterations);

    /// <summary>The secret to set: given, or asked for twice; the same for all images, and lent out until the command is disposed.</summary>
    private protected SecretBuffer RequireNewSecret()
    {
        if (_newSecret is null)
        {
            var source = new SecretSource
            {
                Passphrase = NewPassphrase,
                KeyFile = NewKeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(NewKeyFile), NewKeyFileOffset, NewKeyFileSize),
            };
            _newSecret = RequireNewSecret(source.Read(), "New passphrase");
        }

        return _newSecret;
    }

    /// <summary>Emits a slot that was just made.</summary>
    private protected void WriteSlot(DiskLocation location, int slot)
    {
        DiskOpenOptions options = OpenOptions;
        IReadOnlyList<KeySlotFacts> slots = Run(token => KeySlots.ListAsync(location, options, token));
        Shell.WriteObject(new KeySlot(location.Text, options.HeaderPath, slots.First(facts => facts.Number == slot)));
    }

    protected override void Dispose(bool disposing)
    {
        _newSecret?.Dispose();
        base.Dispose(disposing);
    }
}
