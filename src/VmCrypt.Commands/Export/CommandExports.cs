using System.Threading.Channels;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Commands.Export;

/// <summary>The exports that one command has begun. Where nothing outlives the command, it serves until it is told to stop.</summary>
internal sealed class CommandExports : IDisposable
{
    private readonly List<(ImageExport Export, ProcessNotice<ExportNotice> Notice)> _served = [];
    private readonly Channel<Action> _news = Channel.CreateUnbounded<Action>();

    /// <summary>The command is to wait for their end.</summary>
    public bool MustBeServed => _served.Count > 0;

    private IEnumerable<ImageExport> Converted => _served.Select(served => served.Export).Where(export => export.Conversion is not null);

    /// <summary>The same options, where what concerns the operator is told to <see cref="Serve"/>.</summary>
    public NbdServerOptions Heard(NbdServerOptions options, ICommandHost shell) => options with
    {
        // What single clients do wrong is theirs to hear; this is for the operator, and said once.
        OnFault = (_, fault) =>
        {
            if (fault is VmCryptException { ErrorId: ErrorIds.TlsCredentialsInvalid })
            {
                _news.Writer.TryWrite(() => shell.WriteWarning(fault.Message));
            }
        },
    };

    /// <summary>Lets others find the export; one that nobody would find is stopped.</summary>
    public ImageExport Publish(ImageExport export, ICommandHost shell)
    {
        try
        {
            if (shell.OutlivesCommand)
            {
                ExportTable.Add(export);
            }
            else
            {
                _served.Add((export, ExportNotice.Post(export)));
            }

            return export;
        }
        catch
        {
            export.StopAsync().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <summary>Serves until nobody wants that any more, and says meanwhile what whoever started it should know.</summary>
    /// <param name="shell">Of the command.</param>
    /// <param name="run">The command's.</param>
    /// <param name="attempt">The command's.</param>
    /// <param name="stop">Ends all exports.</param>
    public void Serve(
        ICommandHost shell, Func<Func<IProgress<JobProgress>, CancellationToken, ValueTask<Action?>>, Action?> run, Action<object?, Action> attempt, CancellationToken stop)
    {
        Task serving = Task.Run(() => ServeAsync(stop), CancellationToken.None);
        foreach (ImageExport export in Converted)
        {
            export.Conversion!.WhenFailed(() => _news.Writer.TryWrite(() => attempt(export.Path, export.Conversion.ThrowIfFailed)));
        }

        while (run((progress, _) => NextAsync(serving, progress)) is { } news)
        {
            news();
        }

        foreach (ImageExport export in Converted)
        {
            export.Conversion!.WarnIfStopped(export.Path, shell);
        }
    }

    public void Dispose() => StopAsync().GetAwaiter().GetResult();

    /// <summary>What is to be said next; null when nothing is served any more.</summary>
    private async ValueTask<Action?> NextAsync(Task serving, IProgress<JobProgress> progress)
    {
        foreach (ImageExport export in Converted)
        {
            export.Conversion!.ShowTo(progress);
        }

        await Task.WhenAny(serving, _news.Reader.WaitToReadAsync().AsTask());
        if (_news.Reader.TryRead(out Action? news))
        {
            return news;
        }

        await serving;
        return null;
    }

    private async Task ServeAsync(CancellationToken stop)
    {
        await using CancellationTokenRegistration stopping = stop.Register(ServiceManager.Stopping);
        await Task.WhenAll(_served.Select(served => ServeAsync(served.Export, served.Notice, stop)));
        await StopAsync();
    }

    private static async Task ServeAsync(ImageExport export, ProcessNotice<ExportNotice> notice, CancellationToken stop)
    {
        using var asked = CancellationTokenSource.CreateLinkedTokenSource(stop, notice.StopRequested);
        await Task.WhenAny(export.Completion, Task.Delay(Timeout.Infinite, asked.Token));
        await export.StopAsync();
        notice.Dispose();
    }

    private async Task StopAsync()
    {
        await Task.WhenAll(_served.Select(served => served.Export.StopAsync()));
        _served.ForEach(served => served.Notice.Dispose());
    }
}
