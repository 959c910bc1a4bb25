using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Local;

public sealed class PendingFileTests : IDisposable
{
    private static readonly byte[] s_content = [1, 2, 3, 4];

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Appears_complete_or_not_at_all()
    {
        await using (PendingFile pending = await NewAsync("image"))
        {
            await pending.Device.WriteAsync(0, s_content, Token);
            Assert.False(File.Exists(_scratch["image"]));
            await pending.CommitAsync(Token);
            Assert.Equal(s_content, await File.ReadAllBytesAsync(_scratch["image"], Token));
        }

        Assert.Equal([_scratch["image"]], Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task Names_the_folder_that_is_missing()
    {
        MissingException missing = await Assert.ThrowsAsync<MissingException>(() => NewAsync("nowhere/image").AsTask());

        Assert.Equal(ErrorIds.FileNotFound, missing.ErrorId);
        Assert.Contains($"'{_scratch["nowhere"]}'", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Leaves_nothing_without_a_commit()
    {
        await using (PendingFile pending = await NewAsync("image"))
        {
            await pending.Device.WriteAsync(0, s_content, Token);
            Assert.Equal([pending.TemporaryPath], Directory.GetFiles(_scratch.Folder));
        }

        Assert.Empty(Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task Leaves_nothing_when_it_is_cancelled()
    {
        using var stop = new CancellationTokenSource();
        await using (PendingFile pending = await NewAsync("image"))
        {
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await pending.CommitAsync(stop.Token));
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await PendingFile.CreateAsync(_scratch["image"], new() { Length = 1 << 20, Preallocation = FilePreallocation.Full }, replace: false, stop.Token));
        Assert.Empty(Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task The_device_may_be_disposed_before_the_commit()
    {
        await using PendingFile pending = await NewAsync("image");
        await using (IBlockDevice device = pending.Device)
        {
            await device.WriteAsync(0, s_content, Token);
        }

        await pending.CommitAsync(Token);

        Assert.Equal(s_content, await File.ReadAllBytesAsync(_scratch["image"], Token));
    }

    [Fact]
    public async Task An_existing_file_is_refused_and_left_alone()
    {
        _scratch.File("image", [9]);
        Assert.Equal(ErrorIds.FileExists, await ErrorOfAsync(async () => await NewAsync("image")));
        Assert.Equal([9], await File.ReadAllBytesAsync(_scratch["image"], Token));
        Assert.Single(Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task A_file_that_appears_meanwhile_is_left_alone()
    {
        await using (PendingFile pending = await NewAsync("image"))
        {
            _scratch.File("image", [9]);
            Assert.Equal(ErrorIds.FileExists, await ErrorOfAsync(async () => await pending.CommitAsync(Token)));
        }

        Assert.Equal([9], await File.ReadAllBytesAsync(_scratch["image"], Token));
        Assert.Single(Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task Replaces_when_asked_through_links_too()
    {
        _scratch.File("image", [9]);
        File.CreateSymbolicLink(_scratch["link"], _scratch["image"]);
        await using PendingFile pending = await NewAsync("link", replace: true);
        await pending.Device.WriteAsync(0, s_content, Token);
        Assert.Equal([9], await File.ReadAllBytesAsync(_scratch["image"], Token));

        await pending.CommitAsync(Token);

        Assert.Equal(s_content, await File.ReadAllBytesAsync(_scratch["image"], Token));
        Assert.Equal(_scratch["image"], new FileInfo(_scratch["link"]).LinkTarget);
    }

    [Fact]
    public async Task Replaces_nothing_that_is_in_use()
    {
        _scratch.File("image", [9]);
        await using (await FileDevice.OpenAsync(_scratch["image"], LocalDiskOptions.ReadOnly, Token))
        {
            Assert.Equal(ErrorIds.ImageInUse, await ErrorOfAsync(async () => await NewAsync("image", replace: true)));
        }

        await using (await NewAsync("image", replace: true))
        {
            Assert.Equal(ErrorIds.ImageInUse,
                await ErrorOfAsync(async () => await FileDevice.OpenAsync(_scratch["image"], LocalDiskOptions.ReadOnly, Token)));
        }

        Assert.Single(Directory.GetFiles(_scratch.Folder));
    }

    [Theory]
    [InlineData("missing/image", ErrorIds.FileNotFound)]
    [InlineData(".", ErrorIds.FileExists)]
    public async Task A_target_that_cannot_be_is_refused_at_once(string name, string errorId) =>
        Assert.Equal(errorId, await ErrorOfAsync(async () => await NewAsync(name)));

    [Fact]
    public async Task Long_names_fit()
    {
        string name = new('ä', 127);
        await using PendingFile pending = await NewAsync(name);
        await pending.CommitAsync(Token);
        Assert.True(File.Exists(_scratch[name]));
    }

    private ValueTask<PendingFile> NewAsync(string name, bool replace = false) =>
        PendingFile.CreateAsync(_scratch[name], new() { Length = s_content.Length }, replace, Token);

    private static async Task<string> ErrorOfAsync(Func<Task> call) =>
        (await Assert.ThrowsAnyAsync<VmCryptException>(call)).ErrorId;
}
