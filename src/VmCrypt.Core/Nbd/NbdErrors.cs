using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>What a client hears of an error in a device.</summary>
internal static class NbdErrors
{
    public static NbdError Of(Exception exception) => exception switch
    {
        VmCryptException { ErrorId: ErrorIds.DiskFull } => NbdError.NoSpace,
        VmCryptException { ErrorId: ErrorIds.DeviceReadOnly } => NbdError.NotPermitted,
        VmCryptException { ErrorId: ErrorIds.ZeroNotFast } => NbdError.NotSupported,
        VmCryptException { ErrorId: ErrorIds.OutOfRange } => NbdError.Invalid,
        OperationCanceledException or ObjectDisposedException => NbdError.Shutdown,
        OutOfMemoryException => NbdError.NoMemory,
        _ => NbdError.InputOutput,
    };

    /// <summary>A word for the client's log. Ids only: a message may name paths of this host, which are none of the client's business.</summary>
    public static string Word(Exception exception) => exception is VmCryptException known ? known.ErrorId : string.Empty;
}
