using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using VmCrypt.Core.Configuration;

namespace VmCrypt.Core.Database;

/// <summary>The documents that several hosts share; every change tells those who listen its name.</summary>
internal static class SharedDocuments
{
    public const string Channel = "vmcrypt";

    /// <summary>A document of the host: in its database where it has one, else in its configuration folder.</summary>
    public static async Task<IDocument<T>> OpenAsync<T>(ConfigurationFolder folder, string name, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class, new() =>
        await HostDatabase.OfAsync(folder, cancellationToken) is { } database ? new SharedDocument<T>(database, name, type) : new JsonStore<T>(folder, name, type);

    /// <summary>The documents whose names begin so, as they are.</summary>
    public static Task<List<(string Name, byte[] Content)>> ListAsync(HostDatabase database, string prefix, CancellationToken cancellationToken) => database.TransactAsync(
        session => session.QueryAsync("select name, content from vmcrypt.document where starts_with(name, $1)", row => (row.GetString(0), row.GetFieldValue<byte[]>(1)), prefix),
        cancellationToken);

    /// <returns>False where there was none.</returns>
    public static Task<bool> RemoveAsync(HostDatabase database, string name, CancellationToken cancellationToken) => database.TransactAsync(
        async session =>
        {
            int removed = await session.RunAsync("delete from vmcrypt.document where name = $1", name);
            await NotifyAsync(session, name);
            return removed > 0;
        },
        cancellationToken);

    /// <summary>Sent when, and only if, the transaction is committed.</summary>
    public static Task NotifyAsync(DatabaseSession session, string name) => session.RunAsync("select pg_notify($1, $2)", Channel, name);
}

/// <summary>One document of the database, changed by one host at a time.</summary>
internal sealed class SharedDocument<T>(HostDatabase database, string name, JsonTypeInfo<T> type) : IDocument<T>
    where T : class, new()
{
    public Task<T> ReadAsync(CancellationToken cancellationToken) => database.TransactAsync(ReadAsync, cancellationToken);

    public Task<T> UpdateAsync(Func<T, T> change, CancellationToken cancellationToken) => database.TransactAsync(
        async session =>
        {
            // A row that is not there yet cannot be locked, so it is made first.
            await session.RunAsync("insert into vmcrypt.document (name, content) values ($1, ''::bytea) on conflict do nothing", name);
            await session.RunAsync("select from vmcrypt.document where name = $1 for update", name);
            T changed = change(await ReadAsync(session));
            await session.RunAsync("update vmcrypt.document set content = $2 where name = $1", name, JsonSerializer.SerializeToUtf8Bytes(changed, type));
            await SharedDocuments.NotifyAsync(session, name);
            return changed;
        },
        cancellationToken);

    private async Task<T> ReadAsync(DatabaseSession session)
    {
        List<byte[]> found = await session.QueryAsync("select content from vmcrypt.document where name = $1", row => row.GetFieldValue<byte[]>(0), name);
        return found is [{ Length: > 0 } content] ? Documents.Parse(content, $"{database.Name}: {name}", type) : new T();
    }
}
