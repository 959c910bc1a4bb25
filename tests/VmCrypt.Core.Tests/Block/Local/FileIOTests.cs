using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Block.Local;

public sealed class FileIOTests
{
    [Fact]
    public void A_failed_flush_is_never_forgotten()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "pipes cannot be flushed on Linux; elsewhere, who knows");
        using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
        using var io = new FileIO(new SafeFileHandle(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false), "a pipe");

        var first = Assert.Throws<DeviceFaultException>(io.Flush);
        var second = Assert.Throws<DeviceFaultException>(io.Flush);

        Assert.Equal(ErrorIds.DeviceIO, second.ErrorId);
        Assert.Same(first, second.InnerException);
    }

    [Theory]
    [InlineData(2, ErrorIds.FileNotFound, typeof(MissingException))]
    [InlineData(20, ErrorIds.FileNotFound, typeof(MissingException))]
    [InlineData(17, ErrorIds.FileExists, typeof(RefusedException))]
    [InlineData(28, ErrorIds.DiskFull, typeof(DeviceFaultException))]
    [InlineData(122, ErrorIds.DiskFull, typeof(DeviceFaultException))]
    [InlineData(27, ErrorIds.FileTooLarge, typeof(DeviceFaultException))]
    [InlineData(36, ErrorIds.InvalidParameter, typeof(InvalidInputException))]
    [InlineData(13, ErrorIds.AccessDenied, typeof(DeviceFaultException))]
    [InlineData(1, ErrorIds.AccessDenied, typeof(DeviceFaultException))]
    [InlineData(30, ErrorIds.DeviceReadOnly, typeof(DeviceFaultException))]
    [InlineData(16, ErrorIds.ImageInUse, typeof(DeviceBusyException))]
    [InlineData(21, ErrorIds.NotADisk, typeof(InvalidInputException))]
    [InlineData(5, ErrorIds.DeviceIO, typeof(DeviceFaultException))]
    public void Errno_has_one_meaning_whoever_reports_it(int errno, string errorId, Type kind)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "these are the numbers of Linux");
        VmCryptException native = IOFaults.FromErrno(errno, "Testing", "/disk");
        VmCryptException managed = IOFaults.From(new IOException("as told", errno), "Testing", "/disk");

        Assert.Equal((errorId, errorId), (native.ErrorId, managed.ErrorId));
        Assert.IsType(kind, native);
        Assert.Contains("/disk", native.Message, StringComparison.Ordinal);
    }
}
