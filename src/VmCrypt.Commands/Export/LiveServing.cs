using VmCrypt.Commands.Host;
using VmCrypt.Commands.Images;
using VmCrypt.Core.Block;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Export;

/// <summary>Lets a command that converts disks in their place serve them meanwhile.</summary>
/// <remarks>
/// In PowerShell the conversion goes on in the background, as the export does; in <c>vmcrypt</c> the command waits for both, in the foreground.
/// </remarks>
internal sealed class LiveServing : IDisposable
{
    private readonly CommandExports _exports = new();

    public LiveServingParameters Parameters { get; } = new();

    /// <summary>Converts a disk, served or not.</summary>
    /// <param name="location">The image.</param>
    /// <param name="shell">Of the command.</param>
    /// <param name="alone">Converts it and returns.</param>
    /// <param name="live">Begins to convert it.</param>
    /// <param name="run">The command's.</param>
    /// <returns>True where the disk is served, and the export said; false where it is converted.</returns>
    public bool Convert(
        DiskLocation location, ICommandHost shell, Action alone, Func<CancellationToken, Task<LiveConversion?>> live,
        Func<Func<CancellationToken, ValueTask<ServedConversion?>>, ServedConversion?> run)
    {
        if (!Parameters.Serve)
        {
            InPlace.Run(alone, location, shell);
            return false;
        }

        NbdServerOptions options = _exports.Heard(Parameters.ServerOptions(location, shell), shell);
        ServedConversion? served = null;
        try
        {
            InPlace.Run(() => served = run(token => new(ServedConversion.StartAsync(live, options, Parameters.ExportName, location.Text, token))), location, shell);
        }
        finally
        {
            if (served is null)
            {
                options.Credentials?.Dispose();
            }
        }

        if (served is null)
        {
            shell.WriteWarning($"{location}: nothing was left to convert; Unlock-Image serves the disk.");
            return false;
        }

        shell.WriteObject(_exports.Publish(ImageExport.Of(served, options, location.Text), shell));
        return true;
    }

    /// <summary>Waits for what nobody else does.</summary>
    /// <inheritdoc cref="CommandExports.Serve"/>
    public void End(
        ICommandHost shell, Func<Func<IProgress<JobProgress>, CancellationToken, ValueTask<Action?>>, Action?> run, Action<object?, Action> attempt, CancellationToken stop)
    {
        if (_exports.MustBeServed)
        {
            ServiceManager.Ready();
            _exports.Serve(shell, run, attempt, stop);
        }
    }

    public void Dispose() => _exports.Dispose();
}
