namespace VmCrypt.Commands.Host;

/// <summary>The announcement of something that this process does until it is asked to stop.</summary>
internal interface IProcessNotice : IDisposable
{
    /// <summary>Another process asks this one to end the work and to take the notice down.</summary>
    CancellationToken StopRequested { get; }
}
