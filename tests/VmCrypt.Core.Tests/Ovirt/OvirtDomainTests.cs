using System.Diagnostics;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Ovirt;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Ovirt;

public sealed class OvirtDomainTests : IDisposable
{
    private static readonly Guid s_volume = Guid.Parse("33333333-3333-4333-8333-333333333333");
    private static readonly Guid s_parent = Guid.Parse("44444444-4444-4444-8444-444444444444");

    private readonly Scratch _scratch = new();
    private readonly StorageDomain _made;

    public OvirtDomainTests()
    {
        _made = new StorageDomain(_scratch);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_domain_is_found_by_its_folder_and_by_the_one_above()
    {
        _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20]);
        Directory.CreateDirectory(_scratch["lost+found"]);

        OvirtDomain domain = Assert.Single(OvirtDomain.At(_made.Path));

        Assert.Equal((StorageDomain.Uuid, StorageDomain.Pool), (domain.Uuid, domain.PoolUuid));
        Assert.Equal(StorageDomain.Uuid, Assert.Single(OvirtDomain.At(_scratch.Folder)).Uuid);
        Assert.Equal((StorageDomain.Image, s_volume), Assert.Single(domain.Volumes()));
    }

    [Fact]
    public void What_is_no_domain_says_so()
    {
        Directory.Delete(Path.Combine(_made.Path, "dom_md"), recursive: true);

        Assert.Equal(ErrorIds.OvirtDomainInvalid, Assert.Throws<MissingException>(() => OvirtDomain.At(_made.Path)).ErrorId);
        Assert.Equal(ErrorIds.OvirtDomainInvalid, Assert.Throws<MissingException>(() => OvirtDomain.At(_scratch["nowhere"])).ErrorId);
    }

    [Fact]
    public void Names_that_are_no_UUIDs_are_not_looked_at()
    {
        string path = _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20]);
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(path)!, "note.meta"), "nothing");
        Directory.CreateDirectory(Path.Combine(_made.Path, "images", "_remove_me"));

        Assert.Single(Open().Volumes());
    }

    [Fact]
    public async Task A_guest_s_header_on_a_raw_volume_means_nothing()
    {
        byte[] content = new byte[1 << 20];
        "QFI\xfb"u8.CopyTo(content);
        _made.Add(StorageDomain.Image, s_volume, content);

        OvirtVolume volume = await Open().DescribeAsync(StorageDomain.Image, s_volume, Token);

        Assert.Equal(Core.Stack.ImageFormat.Raw, volume.Image!.Format);
        Assert.Null(volume.Trouble);
    }

    [Fact]
    public async Task A_volume_that_is_not_what_its_meta_says_is_described_with_the_reason()
    {
        _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20], "FORMAT=COW");

        OvirtVolume volume = await Open().DescribeAsync(StorageDomain.Image, s_volume, Token);

        Assert.Null(volume.Image);
        Assert.IsAssignableFrom<VmCryptException>(volume.Trouble);
    }

    [Theory]
    [InlineData("DOMAIN=55555555-5555-4555-8555-555555555555", ErrorIds.OvirtMetaInvalid)]
    [InlineData("IMAGE=55555555-5555-4555-8555-555555555555", ErrorIds.OvirtMetaInvalid)]
    [InlineData("PUUID=33333333-3333-4333-8333-333333333333", ErrorIds.OvirtMetaInvalid)]
    [InlineData("PUUID=55555555-5555-4555-8555-555555555555", ErrorIds.OvirtChainBroken)]
    [InlineData("PUUID=44444444-4444-4444-8444-444444444444", ErrorIds.OvirtChainBroken)]
    public async Task A_meta_that_contradicts_its_place_is_refused(string line, string expected)
    {
        _made.Add(StorageDomain.Image, s_parent, new byte[1 << 20], "PUUID=33333333-3333-4333-8333-333333333333", "VOLTYPE=INTERNAL");
        _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20], line);

        Assert.Equal(expected, (await Assert.ThrowsAsync<InvalidImageException>(async () => await Open().DescribeAsync(StorageDomain.Image, s_volume, Token))).ErrorId);
    }

    [Fact]
    public async Task A_chain_that_the_images_do_not_tell_is_named()
    {
        _made.Add(StorageDomain.Image, s_parent, new byte[1 << 20], "VOLTYPE=INTERNAL");
        _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20], $"PUUID={s_parent:D}");

        OvirtVolume volume = await Open().DescribeAsync(StorageDomain.Image, s_volume, Token);

        Assert.Equal(2, volume.Chain.Length);
        Assert.Equal(ErrorIds.OvirtChainMismatch, volume.Trouble!.ErrorId);
    }

    [Fact]
    public async Task Links_are_refused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a privilege there");
        string path = _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20]);
        File.Delete(path);
        File.CreateSymbolicLink(path, "/etc/hostname");
        Assert.Equal(ErrorIds.PathFenced, await RefusalAsync());

        File.Delete(path + ".meta");
        File.CreateSymbolicLink(path + ".meta", "/etc/hostname");
        Assert.Equal(ErrorIds.PathFenced, await RefusalAsync());

        Directory.Move(Path.GetDirectoryName(path)!, _scratch["elsewhere"]);
        Directory.CreateSymbolicLink(Path.GetDirectoryName(path)!, _scratch["elsewhere"]);
        Assert.Equal(ErrorIds.PathFenced, await RefusalAsync());
    }

    [Fact]
    public async Task A_meta_of_many_megabytes_is_not_read()
    {
        string path = _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20]);
        File.WriteAllText(path + ".meta", new string('#', 10_000) + "\n" + StorageDomain.Good);

        Assert.Equal(ErrorIds.OvirtMetaInvalid, (await Assert.ThrowsAsync<InvalidImageException>(async () => await Open().DescribeAsync(StorageDomain.Image, s_volume, Token))).ErrorId);
    }

    [Fact]
    public async Task A_pipe_in_the_place_of_a_meta_is_not_waited_for()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "there are no such pipes");
        string meta = _made.Add(StorageDomain.Image, s_volume, new byte[1 << 20]) + ".meta";
        File.Delete(meta);
        using (Process made = Process.Start("mkfifo", [meta]))
        {
            await made.WaitForExitAsync(Token);
        }

        Task reading = Task.Run(() => Open().ReadMeta(StorageDomain.Image, s_volume), Token);

        var refused = await Assert.ThrowsAsync<InvalidImageException>(() => reading.WaitAsync(TimeSpan.FromSeconds(20), Token));
        Assert.Equal(ErrorIds.OvirtMetaInvalid, refused.ErrorId);
    }

    private OvirtDomain Open() => Assert.Single(OvirtDomain.At(_made.Path));

    private async Task<string> RefusalAsync() =>
        (await Assert.ThrowsAsync<RefusedException>(async () => await Open().DescribeAsync(StorageDomain.Image, s_volume, Token))).ErrorId;
}
