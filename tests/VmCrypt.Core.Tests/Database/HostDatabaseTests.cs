using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Database;

/// <summary>What a host without a server can say of one; the rest is asked of a real PostgreSQL, in Interop.Tests.</summary>
public sealed class HostDatabaseTests : IDisposable
{
    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private ConfigurationFolder Folder => new(_scratch["config"]);

    [Theory]
    [InlineData("Host=127.0.0.1;Password=secret")]
    [InlineData("Host=127.0.0.1;SSL Certificate=/etc/vmcrypt/host.pem;SSL Password=secret")]
    [InlineData("Host")]
    [InlineData("No Such Word=1")]
    public async Task A_connection_string_holds_no_password_and_no_nonsense(string connection)
    {
        var fault = await Assert.ThrowsAsync<InvalidInputException>(() => HostDatabase.SetAsync(Folder, connection, Token));
        Assert.Equal(ErrorIds.DatabaseConnectionInvalid, fault.ErrorId);
        Assert.Null(await HostDatabase.OfAsync(Folder, Token));
    }

    [Fact]
    public async Task A_host_without_settings_has_none_and_its_folder_is_not_made()
    {
        Assert.Null(await HostDatabase.OfAsync(Folder, Token));
        Assert.False(Directory.Exists(Folder.Path));
    }

    public void Dispose() => _scratch.Dispose();
}
