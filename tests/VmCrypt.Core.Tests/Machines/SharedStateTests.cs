using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Machines;

/// <summary>Hosts that leave a database; what is shared is asked of a real PostgreSQL, in Interop.Tests.</summary>
public sealed class SharedStateTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_that_has_gone_for_good_can_be_left_without_waiting_for_it()
    {
        var folder = new ConfigurationFolder(_scratch["config"]);
        var settings = new JsonStore<DatabaseSettings>(folder, DatabaseSettings.FileName, DatabaseSettingsContext.Default.DatabaseSettings);
        await settings.UpdateAsync(_ => new DatabaseSettings { Connection = $"Host={_scratch["no-server"]};Username=vmcrypt" }, Token);
        Assert.NotNull(await HostDatabase.OfAsync(folder, Token));

        await SharedState.UseAsync(folder, connection: null, upload: false, Token);

        Assert.Null(await HostDatabase.OfAsync(folder, Token));
    }

    public void Dispose() => _scratch.Dispose();
}
