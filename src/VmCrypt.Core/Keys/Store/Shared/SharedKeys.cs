using System.Data.Common;
using System.Text;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store.Shared;

/// <summary>The key store of many hosts: rows of their database, whose secrets are wrapped before they go there.</summary>
/// <remarks>A change is one transaction. What the database does to times, counts and whole rows is not noticed; a secret in another row is.</remarks>
internal sealed class SharedKeys(HostDatabase database) : IKeyRepository
{
    private const string Columns =
        "id, revision, path, header_path, luks_uuid, vm, vm_uuid, pool, domain, image, created, last_used, use_count, current_secret, pending_secret";

    public string Name => database.Name;

    public Task<KeyStoreHead?> ReadHeadAsync(CancellationToken cancellationToken) => database.TransactAsync(ReadHeadAsync, cancellationToken);

    public async Task CreateAsync(KeyStoreHead head, StoreKey key, CancellationToken cancellationToken)
    {
        int made = await database.TransactAsync(
            session => session.RunAsync("insert into vmcrypt.key_store (id, protectors, changes) values ($1, $2, 0) on conflict do nothing", head.Id, TextOf(head.Protectors)),
            cancellationToken);
        if (made == 0)
        {
            throw new RefusedException(ErrorIds.KeyStoreExists, $"There is a key store already, in {Name}.");
        }
    }

    public async Task<IReadOnlyList<DiskKeyEntry>> FindAsync(LookupTerm? term, StoreKey? key, CancellationToken cancellationToken) =>
        await database.TransactAsync(
            async session =>
            {
                _ = await ReadHeadAsync(session) ?? throw Missing();
                return term is { } wanted
                    ? (await session.QueryAsync($"select {Columns} from vmcrypt.disk_key where {ConditionOf(wanted)} order by created, id", Read, ValueOf(wanted))).FindAll(wanted.Fits)
                    : await session.QueryAsync($"select {Columns} from vmcrypt.disk_key order by created, id", Read);
            },
            cancellationToken);

    public Task<long> ChangeAsync(StoreKey key, IReadOnlyList<KeyChange> changes, CancellationToken cancellationToken) => database.TransactAsync(
        async session =>
        {
            // The first statement of every change, so that changes take turns and none waits for one that waits for it.
            List<long> count = await session.QueryAsync("update vmcrypt.key_store set changes = changes + 1 returning changes", row => row.GetInt64(0));
            foreach (KeyChange change in changes)
            {
                await (change switch
                {
                    KeyChange.Put put => PutAsync(session, put.Entry),
                    KeyChange.Use use => RequireAsync(use.Id, session.RunAsync(
                        "update vmcrypt.disk_key set use_count = use_count + 1, last_used = greatest(last_used, $2) where id = $1", use.Id, use.When.ToUniversalTime())),
                    KeyChange.Remove remove => RequireAsync(remove.Id, session.RunAsync("delete from vmcrypt.disk_key where id = $1", remove.Id)),
                    _ => throw new ArgumentOutOfRangeException(nameof(changes)),
                });
            }

            return count is [var number] ? number : throw Missing();
        },
        cancellationToken);

    public Task<long> ProtectAsync(
        StoreKey key, Func<IReadOnlyList<KeyProtector>, IReadOnlyList<KeyProtector>> change, CancellationToken cancellationToken) => database.TransactAsync(
        async session =>
        {
            // Locks the row, so that the list which is changed is the newest.
            List<long> count = await session.QueryAsync("update vmcrypt.key_store set changes = changes + 1 returning changes", row => row.GetInt64(0));
            KeyStoreHead head = await ReadHeadAsync(session) ?? throw Missing();
            await session.RunAsync("update vmcrypt.key_store set protectors = $1", TextOf(change(head.Protectors)));
            return count[0];
        },
        cancellationToken);

    public async Task<KeyStoreState> VerifyAsync(StoreKey key, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskKeyEntry> all = await FindAsync(term: null, key, cancellationToken);
        foreach (DiskKeyEntry entry in all)
        {
            foreach (WrappedSecret secret in entry.Secrets)
            {
                key.Unwrap(entry, secret).Dispose();
            }
        }

        long changes = (await database.TransactAsync(session => session.QueryAsync("select changes from vmcrypt.key_store", row => row.GetInt64(0)), cancellationToken))[0];
        return new KeyStoreState(all.Count, changes);
    }

    private static async Task<KeyStoreHead?> ReadHeadAsync(DatabaseSession session) => (await session.QueryAsync(
        "select id, protectors from vmcrypt.key_store",
        row => new KeyStoreHead(row.GetGuid(0), KeyProtectorList.Parse(Encoding.UTF8.GetBytes(row.GetString(1)))))).FirstOrDefault();

    private static async Task PutAsync(DatabaseSession session, DiskKeyEntry entry)
    {
        DiskIdentity disk = entry.Disk;
        object?[] values =
        [
            entry.Id, entry.Revision, disk.Path, disk.HeaderPath, disk.LuksUuid, disk.VM, disk.VMUuid, disk.Pool, disk.Domain, disk.Image,
            entry.Created.ToUniversalTime(), entry.LastUsed?.ToUniversalTime(), entry.UseCount, entry.Current.ToBytes(), entry.Pending?.ToBytes(),
        ];
        string numbers = string.Join(", ", Enumerable.Range(1, values.Length).Select(number => $"${number}"));
        bool taken = (await session.QueryAsync(
            "select exists (select from vmcrypt.disk_key where path = $1 and coalesce(luks_uuid, '') = coalesce($2::text, '') and id <> $3)",
            row => row.GetBoolean(0), disk.Path, disk.LuksUuid, entry.Id))[0];
        if (taken)
        {
            throw KeyConflicts.Exists(entry);
        }

        // A use in between counts, although it makes no revision.
        int done = await (entry.Revision == 1
            ? session.RunAsync($"insert into vmcrypt.disk_key ({Columns}) values ({numbers}) on conflict (id) do nothing", values)
            : session.RunAsync(
                """
                update vmcrypt.disk_key set revision = $2, path = $3, header_path = $4, luks_uuid = $5, vm = $6, vm_uuid = $7, pool = $8, domain = $9, image = $10,
                    created = $11, last_used = greatest(last_used, $12), use_count = greatest(use_count, $13), current_secret = $14, pending_secret = $15
                where id = $1 and revision = $2 - 1
                """,
                values));
        if (done == 0)
        {
            throw KeyConflicts.Changed(entry);
        }
    }

    private static async Task RequireAsync(Guid id, Task<int> change)
    {
        if (await change == 0)
        {
            throw KeyConflicts.Gone(id);
        }
    }

    private static string ConditionOf(LookupTerm term) => term.Kind switch
    {
        TermKind.Id => "id = $1",
        TermKind.Path => "path = $1",
        TermKind.LuksUuid => FoldedCondition("luks_uuid", term),
        TermKind.VM => FoldedCondition("vm", term),
        TermKind.VMUuid => "vm_uuid = $1",
        _ => "image = $1",
    };

    // Collation C folds ASCII, and so as we do. Beyond, databases have rules of their own: of such names, which are few, we choose ourselves.
    private static string FoldedCondition(string column, LookupTerm term) => Ascii.IsValid(term.Text)
        ? $"""upper({column} collate "C") = $1"""
        : $"octet_length({column}) > char_length({column}) and $1::text is not null";

    private static object ValueOf(LookupTerm term) =>
        term.Kind is TermKind.Path or TermKind.LuksUuid or TermKind.VM ? term.Text : Guid.Parse(term.Text);

    private static DiskKeyEntry Read(DbDataReader row) => new()
    {
        Id = row.GetGuid(0),
        Revision = row.GetInt64(1),
        Disk = new DiskIdentity
        {
            Path = row.GetString(2),
            HeaderPath = Optional<string>(row, 3),
            LuksUuid = Optional<string>(row, 4),
            VM = Optional<string>(row, 5),
            VMUuid = OptionalGuid(row, 6),
            Pool = OptionalGuid(row, 7),
            Domain = OptionalGuid(row, 8),
            Image = OptionalGuid(row, 9),
        },
        Created = row.GetFieldValue<DateTimeOffset>(10),
        LastUsed = row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11),
        UseCount = row.GetInt64(12),
        Current = WrappedSecret.Parse(row.GetFieldValue<byte[]>(13), SecretRole.Current),
        Pending = Optional<byte[]>(row, 14) is { } pending ? WrappedSecret.Parse(pending, SecretRole.Pending) : null,
    };

    private static T? Optional<T>(DbDataReader row, int column)
        where T : class => row.IsDBNull(column) ? null : row.GetFieldValue<T>(column);

    private static Guid? OptionalGuid(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetGuid(column);

    private static string TextOf(IReadOnlyList<KeyProtector> protectors) => Encoding.UTF8.GetString(KeyProtectorList.ToBytes(protectors));

    private MissingException Missing() => new(ErrorIds.KeyStoreMissing, $"There is no key store in {Name}; make one with New-DiskKeyStore.");
}
