using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Stack;

public sealed class ReferencePolicyTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("vmcrypt-").FullName;
    private readonly DiskLocation _image;

    public ReferencePolicyTests()
    {
        Touch("vm/images/overlay.qcow2");
        Touch("vm/images/base.qcow2");
        Touch("vm/images/sub/base.qcow2");
        Touch("vm/secret.txt");
        _image = DiskLocation.Parse(Path.Combine(_root, "vm/images/overlay.qcow2"));
    }

    [Theory]
    [InlineData("base.qcow2", "vm/images/base.qcow2")]
    [InlineData("sub/base.qcow2", "vm/images/sub/base.qcow2")]
    [InlineData("./sub/../base.qcow2", "vm/images/base.qcow2")]
    [InlineData("file:base.qcow2", "vm/images/base.qcow2")]
    public void Resolves_files_in_the_images_own_folder(string reference, string expected) =>
        Assert.Equal(Path.Combine(_root, expected), ReferencePolicy.Default.Resolve(reference, _image));

    [Theory]
    [InlineData("../secret.txt", ErrorIds.PathFenced)]
    [InlineData("/etc/passwd", ErrorIds.PathFenced)]
    [InlineData("sub/../../secret.txt", ErrorIds.PathFenced)]
    [InlineData("gone.qcow2", ErrorIds.ReferencedFileMissing)]
    [InlineData("json:{\"driver\":\"file\"}", ErrorIds.ReferenceUnsupported)]
    [InlineData("nbd://localhost/x", ErrorIds.ReferenceUnsupported)]
    [InlineData("", ErrorIds.ReferenceUnsupported)]
    public void Refuses_references_that_lead_elsewhere(string reference, string errorId) =>
        Assert.Equal(errorId, Assert.ThrowsAny<VmCryptException>(() => ReferencePolicy.Default.Resolve(reference, _image)).ErrorId);

    [Fact]
    public void Follows_links_before_it_judges()
    {
        File.CreateSymbolicLink(Path.Combine(_root, "vm/images/link.qcow2"), "../secret.txt");
        Directory.CreateSymbolicLink(Path.Combine(_root, "vm/images/out"), Path.Combine(_root, "vm"));

        Assert.Equal(ErrorIds.PathFenced, Refusal("link.qcow2"));
        Assert.Equal(ErrorIds.PathFenced, Refusal("out/secret.txt"));
        Assert.EndsWith("base.qcow2", ReferencePolicy.Default.Resolve("out/images/base.qcow2", _image), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_links_that_lead_to_themselves()
    {
        File.CreateSymbolicLink(Path.Combine(_root, "vm/images/a"), "b");
        File.CreateSymbolicLink(Path.Combine(_root, "vm/images/b"), "a");

        Assert.Equal(ErrorIds.PathFenced, Refusal("a"));
    }

    [Fact]
    public void Opens_more_folders_only_when_told()
    {
        var wider = new ReferencePolicy(AllowedFolders: [Path.Combine(_root, "vm")]);

        Assert.Equal(Path.Combine(_root, "vm/secret.txt"), wider.Resolve("../secret.txt", _image));
        Assert.Equal(ErrorIds.PathFenced, Assert.Throws<RefusedException>(() => wider.Resolve("/etc/passwd", _image)).ErrorId);
        Assert.Equal("/etc/passwd", new ReferencePolicy(ReferenceMode.Any).Resolve("/etc/passwd", _image));
    }

    [Fact]
    public void Follows_nothing_when_told_so()
    {
        var never = new ReferencePolicy(ReferenceMode.Never);

        Assert.Equal(ErrorIds.ReferenceNotFollowed, Assert.Throws<RefusedException>(() => never.Resolve("base.qcow2", _image)).ErrorId);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private string Refusal(string reference) =>
        Assert.Throws<RefusedException>(() => ReferencePolicy.Default.Resolve(reference, _image)).ErrorId;

    private void Touch(string name)
    {
        string path = Path.Combine(_root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "x");
    }
}
