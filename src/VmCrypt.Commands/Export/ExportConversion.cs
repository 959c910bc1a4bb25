using System.Globalization;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Images;
using VmCrypt.Core.Block;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Commands.Export;

/// <summary>The conversion in place behind an export, as it is at the moment.</summary>
public sealed class ExportConversion
{
    private readonly LiveConversion _conversion;

    internal ExportConversion(LiveConversion conversion) => _conversion = conversion;

    public LiveConversionState State => _conversion.State;

    /// <summary>0 to 100.</summary>
    public double Percent => State == LiveConversionState.Completed ? 100 : _conversion.Percent;

    /// <summary>Why it failed; null where it did not.</summary>
    public string? Error => _conversion.Completion.Exception?.InnerException?.Message;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{State}, {Percent:0.#} %");

    /// <summary>Throws what the conversion failed of.</summary>
    internal void ThrowIfFailed()
    {
        if (State == LiveConversionState.Failed)
        {
            _conversion.Completion.GetAwaiter().GetResult();
        }
    }

    /// <summary>Says what is to be done where it was stopped before its end.</summary>
    internal void WarnIfStopped(string path, ICommandHost shell)
    {
        if (State == LiveConversionState.Stopped)
        {
            shell.WriteWarning(InPlace.Stopped(path));
        }
    }

    internal void ShowTo(IProgress<JobProgress> progress) => _conversion.Observer = progress;

    /// <summary>Has somebody told when it has failed.</summary>
    internal void WhenFailed(Action tell) =>
        _ = _conversion.Completion.ContinueWith(_ => tell(), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
