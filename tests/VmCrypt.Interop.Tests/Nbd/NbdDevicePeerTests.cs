using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>Our client on qemu-nbd, through the contract of all devices.</summary>
public sealed class NbdDeviceOnQemuNbdTests : ReadOnlyDeviceContract, IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly List<NbdPeer> _peers = [];

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content) => await ServeAsync(content, []);

    protected override async ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) => await ServeAsync(content, ["--read-only"]);

    public void Dispose()
    {
        _peers.ForEach(peer => peer.Dispose());
        _scratch.Dispose();
    }

    private async Task<NbdDevice> ServeAsync(byte[] content, string[] options)
    {
        string file = _scratch.File($"{Guid.NewGuid():N}", content);
        _peers.Add(await NbdPeer.QemuNbdAsync(_scratch, [.. options, "--format=raw", file]));
        return await _peers[^1].ConnectAsync();
    }
}

/// <summary>The same on nbdkit with each way of doing less.</summary>
public abstract class NbdDeviceOnNbdkitContract(params string[] filters) : BlockDeviceContract, IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly List<NbdPeer> _peers = [];

    protected override async ValueTask<IBlockDevice> CreateAsync(byte[] content)
    {
        string file = _scratch.File($"{Guid.NewGuid():N}", content);
        string[] options = [.. filters.TakeWhile(filter => filter.StartsWith('-'))];
        _peers.Add(await NbdPeer.NbdkitAsync(_scratch, [.. options, "file", file, .. filters.Skip(options.Length)]));
        return await _peers[^1].ConnectAsync();
    }

    public void Dispose()
    {
        _peers.ForEach(peer => peer.Dispose());
        _scratch.Dispose();
        GC.SuppressFinalize(this);
    }
}

public sealed class NbdDeviceOnNbdkitTests() : NbdDeviceOnNbdkitContract("--filter=fua", "fuamode=native");

public sealed class NbdDeviceWithoutZeroesTests() : NbdDeviceOnNbdkitContract("--filter=nozero", "--filter=noextents", "--filter=multi-conn", "multi-conn-mode=disable");

public sealed class NbdDeviceWithoutStructuredRepliesTests() : NbdDeviceOnNbdkitContract("--no-sr");

public sealed class NbdDeviceOnOldNewstyleTests() : NbdDeviceOnNbdkitContract("--mask-handshake=0");

public sealed class NbdDeviceInBlocksTests()
    : NbdDeviceOnNbdkitContract("--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-maximum=65536", "blocksize-error-policy=error");
