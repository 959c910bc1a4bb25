using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>Whether the key store is whole.</summary>
/// <param name="Changes">Every change since the store was made; null where it is not whole.</param>
/// <param name="Reason">What is wrong; null for nothing.</param>
public sealed record KeyStoreAnswer(bool IsWhole, long? Entries, long? Changes, string? Reason) : IAnswer
{
    bool IAnswer.IsYes => IsWhole;
}

/// <summary>Checks that every record of the key store belongs to it and that none is missing.</summary>
[Cmdlet(VerbsDiagnostic.Test, "DiskKeyStore")]
[OutputType(typeof(KeyStoreAnswer))]
public sealed class TestDiskKeyStoreCommand : KeyStoreCmdlet
{
    private protected override void Process()
    {
        KeyStoreAnswer answer = Check();
        Shell.WriteAnswer(answer, answer.IsWhole);
    }

    private KeyStoreAnswer Check()
    {
        try
        {
            KeyStoreReport report = Run(token => new ValueTask<KeyStoreReport>(Ring.VerifyAsync(token)));
            return new KeyStoreAnswer(IsWhole: true, report.Entries, report.Changes, Reason: null);
        }
        catch (InvalidImageException broken)
        {
            return new KeyStoreAnswer(IsWhole: false, Entries: null, Changes: null, broken.Message);
        }
    }
}
