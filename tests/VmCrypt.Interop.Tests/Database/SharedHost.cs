using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Interop.Tests.Database;

/// <summary>A host of several that share a database: a configuration folder of its own.</summary>
internal static class SharedHost
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<ConfigurationFolder> MakeAsync(Scratch scratch, PostgresDatabase server, string name)
    {
        var folder = new ConfigurationFolder(scratch[name]);
        await HostDatabase.SetAsync(folder, server.Connection, Token);
        return folder;
    }

    public static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(System.Text.Encoding.UTF8.GetBytes(text));

    public static DiskIdentity Disk(string name) => new()
    {
        Path = $"/vm/{name}.qcow2", LuksUuid = $"luks-{name}", VM = "web01", VMUuid = Guid.Parse("11111111-2222-3333-4444-555555555555"), Image = Guid.NewGuid(),
    };
}
