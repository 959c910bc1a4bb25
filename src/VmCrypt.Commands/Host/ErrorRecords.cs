using System.Diagnostics.CodeAnalysis;
using System.Management.Automation;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>The one map from what can go wrong to what the user's shell is told.</summary>
internal static class ErrorRecords
{
    /// <summary>The record of a failure that is part of life; false for a defect of ours, which must not be dressed up as one.</summary>
    /// <param name="target">What the command was working on, usually a path.</param>
    public static bool TryFrom(Exception exception, object? target, [NotNullWhen(true)] out ErrorRecord? record)
    {
        (string ErrorId, ErrorCategory Category)? mapped = exception switch
        {
            VmCryptException expected => (expected.ErrorId, CategoryOf(expected)),
            UnauthorizedAccessException => (ErrorIds.AccessDenied, ErrorCategory.PermissionDenied),
            FileNotFoundException or DirectoryNotFoundException => (ErrorIds.FileNotFound, ErrorCategory.ObjectNotFound),
            IOException => (ErrorIds.DeviceIO, ErrorCategory.DeviceError),
            _ => null,
        };
        record = mapped is { } known ? new ErrorRecord(exception, known.ErrorId, known.Category, target) : null;
        return record is not null;
    }

    private static ErrorCategory CategoryOf(VmCryptException exception) => exception switch
    {
        InvalidInputException => ErrorCategory.InvalidArgument,
        InvalidImageException => ErrorCategory.InvalidData,
        UnsupportedFeatureException => ErrorCategory.NotImplemented,
        WrongKeyException => ErrorCategory.AuthenticationError,
        DeviceBusyException => ErrorCategory.ResourceBusy,
        DeviceFaultException => ErrorCategory.DeviceError,
        MissingException => ErrorCategory.ObjectNotFound,
        ProtocolException => ErrorCategory.ProtocolError,
        RefusedException => ErrorCategory.InvalidOperation,
        _ => ErrorCategory.NotSpecified,
    };
}
