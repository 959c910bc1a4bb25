// What the commands need of PowerShell's engine, for a host that has none. The names, defaults and meanings are PowerShell's.
namespace System.Management.Automation;

public abstract class Cmdlet
{
    protected virtual void BeginProcessing()
    {
    }

    protected virtual void ProcessRecord()
    {
    }

    protected virtual void EndProcessing()
    {
    }

    protected virtual void StopProcessing()
    {
    }

    internal void DoBeginProcessing() => BeginProcessing();

    internal void DoProcessRecord() => ProcessRecord();

    internal void DoEndProcessing() => EndProcessing();

    internal void DoStopProcessing() => StopProcessing();
}

public abstract class PSCmdlet : Cmdlet;

/// <summary>The command was asked to stop; never an error.</summary>
public sealed class PipelineStoppedException : Exception;
