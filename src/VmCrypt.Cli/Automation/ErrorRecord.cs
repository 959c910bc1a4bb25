namespace System.Management.Automation;

public sealed class ErrorRecord(Exception exception, string errorId, ErrorCategory errorCategory, object? targetObject)
{
    public Exception Exception { get; } = exception;

    public string FullyQualifiedErrorId { get; } = errorId;

    public ErrorCategory Category { get; } = errorCategory;

    public object? TargetObject { get; } = targetObject;
}

public enum ErrorCategory
{
    NotSpecified,
    DeviceError,
    InvalidArgument,
    InvalidData,
    InvalidOperation,
    NotImplemented,
    ObjectNotFound,
    PermissionDenied,
    ResourceBusy,
    AuthenticationError,
    ProtocolError,
}
