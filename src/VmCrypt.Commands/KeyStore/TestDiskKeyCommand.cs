using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A stored key that was tried on its disk.</summary>
/// <param name="Slot">The key slot that it opens; null for none.</param>
/// <param name="Reason">What is wrong; null for nothing.</param>
public sealed record DiskKeyAnswer(string Path, string? Vm, DiskKeyState State, int? Slot, string? Reason) : IAnswer
{
    bool IAnswer.IsYes => State == DiskKeyState.Good;
}

/// <summary>Tries stored keys on their disks, and brings interrupted changes to their end.</summary>
[Cmdlet(VerbsDiagnostic.Test, "DiskKey", SupportsShouldProcess = true)]
[OutputType(typeof(DiskKeyAnswer))]
public sealed class TestDiskKeyCommand : DiskKeyCmdlet
{
    /// <summary>Bring interrupted changes of secrets to their end.</summary>
    [Parameter]
    public SwitchParameter Repair { get; set; }

    private protected override void ProcessKey(DiskKey key)
    {
        DiskKeyTrial trial = Run(token => new ValueTask<DiskKeyTrial>(Ring.TryAsync(key.Entry, token)));
        if (Repair && trial.State is DiskKeyState.RotationNotMade or DiskKeyState.RotationNotConfirmed && Shell.ShouldProcess(key.Path, "End the interrupted change of its secret"))
        {
            trial = Run(token => new ValueTask<DiskKeyTrial>(Ring.SettleAsync(key.Entry, token)));
        }

        var answer = new DiskKeyAnswer(key.Path, key.Vm, trial.State, trial.Slot, trial.Reason);
        Shell.WriteAnswer(answer, answer.State == DiskKeyState.Good);
    }
}
