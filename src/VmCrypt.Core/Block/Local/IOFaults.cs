using System.Runtime.InteropServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>The one map from what the operating system says to what we say.</summary>
internal static class IOFaults
{
    private enum Meaning
    {
        Fault,
        Missing,
        Exists,
        Full,
        TooLarge,
        BadName,
        Denied,
        ReadOnly,
        Busy,
        NotAFile,
    }

    /// <summary>The error of the last native call.</summary>
    /// <param name="doing">Completes "… failed": "Opening", "Writing".</param>
    public static VmCryptException Last(string doing, string path) => FromErrno(Marshal.GetLastPInvokeError(), doing, path);

    public static VmCryptException FromErrno(int errno, string doing, string path) =>
        Make(MeaningOfErrno(errno), doing, path, Marshal.GetPInvokeErrorMessage(errno), null);

    /// <summary>What .NET threw; on Unix its HResult is the errno.</summary>
    public static VmCryptException From(Exception thrown, string doing, string path)
    {
        Meaning meaning = thrown switch
        {
            UnauthorizedAccessException => Meaning.Denied,
            ArgumentOutOfRangeException => Meaning.TooLarge, // What .NET makes of EFBIG.
            PathTooLongException => Meaning.BadName,
            FileNotFoundException or DirectoryNotFoundException => Meaning.Missing,
            IOException when OperatingSystem.IsWindows() => MeaningOfWin32(thrown.HResult & 0xFFFF),
            IOException => MeaningOfErrno(thrown.HResult),
            _ => Meaning.Fault,
        };
        return Make(meaning, doing, path, thrown.Message, thrown);
    }

    /// <summary>The exceptions that <see cref="From"/> is meant for.</summary>
    public static bool Is(Exception thrown) => thrown is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException;

    private static VmCryptException Make(Meaning meaning, string doing, string path, string reason, Exception? inner)
    {
        string message = $"{doing} '{path}' failed: {reason.TrimEnd('.', ' ')}.";
        return meaning switch
        {
            Meaning.Missing => new MissingException(ErrorIds.FileNotFound, $"There is no file '{path}'.", inner),
            Meaning.Exists => new RefusedException(ErrorIds.FileExists, $"The file '{path}' exists; it is replaced only when asked for.", inner),
            Meaning.Full => new DeviceFaultException(ErrorIds.DiskFull, message, inner),
            Meaning.TooLarge => new DeviceFaultException(ErrorIds.FileTooLarge, message, inner),
            Meaning.BadName => new InvalidInputException(ErrorIds.InvalidParameter, message, inner),
            Meaning.Denied => new DeviceFaultException(ErrorIds.AccessDenied, message, inner),
            Meaning.ReadOnly => new DeviceFaultException(ErrorIds.DeviceReadOnly, message, inner),
            Meaning.Busy => new DeviceBusyException(ErrorIds.ImageInUse, message, inner),
            Meaning.NotAFile => new InvalidInputException(ErrorIds.NotADisk, message, inner),
            _ => new DeviceFaultException(ErrorIds.DeviceIO, message, inner),
        };
    }

    private static Meaning MeaningOfErrno(int errno) => errno switch
    {
        2 or 20 => Meaning.Missing, // ENOENT, ENOTDIR
        17 => Meaning.Exists, // EEXIST
        28 or 122 => Meaning.Full, // ENOSPC, EDQUOT
        27 => Meaning.TooLarge, // EFBIG
        36 => Meaning.BadName, // ENAMETOOLONG
        13 or 1 => Meaning.Denied, // EACCES, EPERM
        30 => Meaning.ReadOnly, // EROFS
        16 or 26 => Meaning.Busy, // EBUSY, ETXTBSY
        21 or 6 or 40 => Meaning.NotAFile, // EISDIR, ENXIO, ELOOP
        _ => Meaning.Fault,
    };

    private static Meaning MeaningOfWin32(int code) => code switch
    {
        2 or 3 => Meaning.Missing, // FILE_NOT_FOUND, PATH_NOT_FOUND
        80 or 183 => Meaning.Exists, // FILE_EXISTS, ALREADY_EXISTS
        112 or 39 => Meaning.Full, // DISK_FULL, HANDLE_DISK_FULL
        223 => Meaning.TooLarge, // FILE_TOO_LARGE
        123 or 206 => Meaning.BadName, // INVALID_NAME, FILENAME_EXCED_RANGE
        5 => Meaning.Denied, // ACCESS_DENIED
        19 => Meaning.ReadOnly, // WRITE_PROTECT
        32 or 33 => Meaning.Busy, // SHARING_VIOLATION, LOCK_VIOLATION
        _ => Meaning.Fault,
    };
}
