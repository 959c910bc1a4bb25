using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A raw disk that has just been decrypted, and whose guest keeps a VHDX file at its start: the header outside it alone tells that it is no container.</summary>
public sealed class ContainerOfConversionTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("unprotect")]
    [InlineData("unprotect detached")]
    public async Task It_is_described_as_raw(string name)
    {
        DiskConversion conversion = await AlmostDoneAsync(name);
        string path = _scratch.File("disk", conversion.Data.ToArray());
        byte[] header = (conversion.Header ?? conversion.Shelf.Active)!.ToArray();
        bool isDetached = conversion.Header is not null;
        string headerPath = _scratch.File(isDetached ? "header" : "disk.vmcrypt-header", header);
        var options = new DiskOpenOptions { HeaderPath = isDetached ? headerPath : null };

        ImageDescription found = await ImageInspector.DescribeAsync(DiskLocation.Parse(path), options, Sample.Token);

        Assert.NotNull(found.Unusable);
        Assert.Equal(ImageFormat.Raw, found.Format);
    }

    [Fact]
    public async Task It_is_not_gone_on_with_as_the_container_that_somebody_names()
    {
        DiskConversion conversion = await AlmostDoneAsync("unprotect");
        byte[] before = conversion.Data.ToArray();

        var error = await Assert.ThrowsAsync<InvalidInputException>(async () => await conversion.OpenAsync(device => device, ImageFormat.Vhdx));

        Assert.Equal(ErrorIds.FormatMismatch, error.ErrorId);
        Assert.Equal(before, conversion.Data.ToArray());
        await conversion.ResumeAsync();
        await conversion.VerifyAsync();
    }

    private static async Task<DiskConversion> AlmostDoneAsync(string name)
    {
        byte[] nested = await VhdxSample.WithContentAsync(VhdxSample.Dynamic(0), [.. Enumerable.Repeat((byte)7, 64 << 10)]);
        DiskConversion conversion = await DiskConversion.CreateAsync(name, plain: nested);
        int all = await conversion.Clone().CountAsync();
        Assert.True(await conversion.StopAsync(all - 20) && await conversion.IsUnfinishedAsync());
        return conversion;
    }
}
