using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Database;

/// <summary>The tables, as the steps that make them; a database is brought up step by step, by whoever comes first.</summary>
internal static class Schema
{
    private static readonly string[] s_steps =
    [
        """
        create table vmcrypt.key_store (
            only_one boolean primary key default true check (only_one),
            id uuid not null,
            protectors text not null,
            changes bigint not null
        );
        create table vmcrypt.disk_key (
            id uuid primary key,
            revision bigint not null,
            path text not null,
            header_path text,
            luks_uuid text,
            vm text,
            vm_uuid uuid,
            pool uuid,
            domain uuid,
            image uuid,
            created timestamptz not null,
            last_used timestamptz,
            use_count bigint not null,
            current_secret bytea not null,
            pending_secret bytea
        );
        create unique index disk_key_disk on vmcrypt.disk_key (path, coalesce(luks_uuid, ''));
        create index disk_key_luks on vmcrypt.disk_key (upper(luks_uuid));
        create index disk_key_vm on vmcrypt.disk_key (upper(vm));
        create index disk_key_vm_uuid on vmcrypt.disk_key (vm_uuid);
        create index disk_key_image on vmcrypt.disk_key (image);
        create table vmcrypt.document (
            name text primary key,
            content bytea not null
        );
        create table vmcrypt.audit (
            host text not null,
            sequence bigint not null,
            line bytea not null,
            primary key (host, sequence)
        );
        """,

        // By rules of their own, databases fold i and I otherwise in Turkey; LookupTerm does so nowhere.
        """
        drop index vmcrypt.disk_key_luks;
        drop index vmcrypt.disk_key_vm;
        create index disk_key_luks on vmcrypt.disk_key (upper(luks_uuid collate "C"));
        create index disk_key_vm on vmcrypt.disk_key (upper(vm collate "C"));
        """,
    ];

    /// <summary>Makes what is missing; several hosts at a time take turns, and a step is made whole or not at all.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.DatabaseVersionUnsupported"/>.</exception>
    public static async Task MigrateAsync(DatabaseSession session)
    {
        // Looked at first: to make what is there already may be refused to a host that may use the tables.
        if (await KnownVersionAsync(session) == s_steps.Length)
        {
            return;
        }

        // Any number, but the same for all of us.
        await session.RunAsync("select pg_advisory_xact_lock(7868391422)");
        await session.RunAsync("create schema if not exists vmcrypt");
        await session.RunAsync("create table if not exists vmcrypt.version (number integer not null)");
        foreach (string step in s_steps.Skip(await KnownVersionAsync(session)))
        {
            await session.RunAsync(step);
        }

        await session.RunAsync("delete from vmcrypt.version");
        await session.RunAsync("insert into vmcrypt.version values ($1)", s_steps.Length);
    }

    private static async Task<int> KnownVersionAsync(DatabaseSession session)
    {
        bool there = (await session.QueryAsync("select to_regclass('vmcrypt.version') is not null", row => row.GetBoolean(0)))[0];
        int version = there ? (await session.QueryAsync("select number from vmcrypt.version", row => row.GetInt32(0))).FirstOrDefault() : 0;
        return version <= s_steps.Length
            ? version
            : throw new UnsupportedFeatureException(ErrorIds.DatabaseVersionUnsupported, $"The database has the version {version}; this program knows {s_steps.Length}.");
    }
}
