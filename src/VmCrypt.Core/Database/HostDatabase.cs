using System.Collections.Concurrent;
using System.Security.Authentication;
using Npgsql;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Database;

/// <summary>The PostgreSQL in which several hosts keep the state that they share: keys of disks (wrapped), wipe policy, USB lists, audit.</summary>
/// <remarks>
/// The server is believed to keep what it is given, and nothing more: it sees no key. A server that has gone is waited for; a piece of
/// work is repeated whole until it is known to be made, or the patience is over. Only where the answer to a commit was lost nobody knows.
/// </remarks>
public sealed class HostDatabase
{
    private static readonly ConcurrentDictionary<string, HostDatabase> s_open = new(StringComparer.Ordinal);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    private readonly NpgsqlDataSource _source;
    private volatile bool _migrated;

    private HostDatabase(string connection) => _source = NpgsqlDataSource.Create(connection);

    /// <summary>How long a server that does not answer is waited for.</summary>
    public static TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>For people: where it is, and as whom we are there.</summary>
    public string Name => new NpgsqlConnectionStringBuilder(_source.ConnectionString) is var parts
        ? $"{parts.Username}@{parts.Host}:{parts.Port}/{parts.Database}"
        : string.Empty;

    /// <summary>The database of a host; null where it has none.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.DatabaseConnectionInvalid"/>, <see cref="ErrorIds.ConfigurationInvalid"/>.</exception>
    public static async Task<HostDatabase?> OfAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        // Most hosts have none, and their folder may not even be there.
        if (!File.Exists(folder[DatabaseSettings.FileName]))
        {
            return null;
        }

        string? connection = (await SettingsOf(folder).ReadAsync(cancellationToken)).Connection;
        return connection is null ? null : Open(connection);
    }

    /// <summary>Gives the host a database, once it has answered and has its tables; null takes it away.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.DatabaseConnectionInvalid"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DatabaseUnavailable"/>, <see cref="ErrorIds.DatabaseUntrusted"/>, <see cref="ErrorIds.DatabaseRefused"/>.</exception>
    public static async Task SetAsync(ConfigurationFolder folder, string? connection, CancellationToken cancellationToken)
    {
        if (connection is not null)
        {
            await Open(connection).TransactAsync(_ => Task.FromResult(true), cancellationToken);
        }

        await SettingsOf(folder).UpdateAsync(_ => new DatabaseSettings { Connection = connection }, cancellationToken);
    }

    /// <summary>Does work in one transaction, again and again while the server is away; makes the tables before the first.</summary>
    /// <param name="work">Has no effect but on the database.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DatabaseUnavailable"/>: nothing was changed; <see cref="ErrorIds.DatabaseUncertain"/>;
    /// <see cref="ErrorIds.DatabaseUntrusted"/>, <see cref="ErrorIds.DatabaseRefused"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.DatabaseVersionUnsupported"/>.</exception>
    /// <param name="patience">How long a server that does not answer is waited for; null for <see cref="Patience"/>.</param>
    internal async Task<T> TransactAsync<T>(Func<DatabaseSession, Task<T>> work, CancellationToken cancellationToken, TimeSpan? patience = null)
    {
        long deadline = Environment.TickCount64 + (long)(patience ?? Patience).TotalMilliseconds;
        while (true)
        {
            try
            {
                return await TryAsync(work, cancellationToken);
            }
            catch (NpgsqlException away) when (IsAway(away))
            {
                if (Environment.TickCount64 >= deadline)
                {
                    throw new DeviceFaultException(ErrorIds.DatabaseUnavailable, $"The database {Name} does not answer: {away.Message}", away);
                }
            }
            catch (NpgsqlException distrust) when (distrust.InnerException is AuthenticationException why)
            {
                throw new DeviceFaultException(ErrorIds.DatabaseUntrusted, $"The database {Name} does not prove who it is: {why.Message}", distrust);
            }
            catch (PostgresException refusal)
            {
                throw new DeviceFaultException(ErrorIds.DatabaseRefused, $"The database {Name} refuses: {refusal.MessageText}", refusal);
            }

            await Task.Delay(s_pause, cancellationToken);
        }
    }

    /// <summary>A connection of its own, for who listens.</summary>
    internal async Task<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken) => await _source.OpenConnectionAsync(cancellationToken);

    // Of the server's own words, those by which it says that it goes or comes are no refusal; nor is a lost race between two writers.
    // A certificate that is not trusted will not be, however long one waits.
    internal static bool IsAway(NpgsqlException fault) => fault is not PostgresException said
        ? fault.InnerException is not AuthenticationException
        : said.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected;

    private static JsonStore<DatabaseSettings> SettingsOf(ConfigurationFolder folder) =>
        new(folder, DatabaseSettings.FileName, DatabaseSettingsContext.Default.DatabaseSettings);

    private static HostDatabase Open(string connection)
    {
        try
        {
            var parts = new NpgsqlConnectionStringBuilder(connection) { ApplicationName = "vmcrypt", MaxPoolSize = 8, KeepAlive = 10 };
            return parts.Password is null && parts.SslPassword is null
                ? s_open.GetOrAdd(parts.ConnectionString, text => new HostDatabase(text))
                : throw new InvalidInputException(ErrorIds.DatabaseConnectionInvalid,
                    "A connection string with a password would stand in a file; name a Passfile, a client certificate, or let the server know the user.");
        }
        catch (Exception fault) when (fault is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new InvalidInputException(ErrorIds.DatabaseConnectionInvalid, $"The connection string of the database is not valid: {fault.Message}", fault);
        }
    }

    private async Task<T> TryAsync<T>(Func<DatabaseSession, Task<T>> work, CancellationToken cancellationToken)
    {
        await using NpgsqlConnection connection = await ConnectAsync(cancellationToken);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancellationToken);
        var session = new DatabaseSession(connection, cancellationToken);
        if (!_migrated)
        {
            await Schema.MigrateAsync(session);
        }

        T result = await work(session);
        try
        {
            await transaction.CommitAsync(CancellationToken.None);
        }
        catch (NpgsqlException lost) when (lost is not PostgresException)
        {
            throw new DeviceFaultException(ErrorIds.DatabaseUncertain, $"The database {Name} has gone while a change was made: it was made or not. Look, and try again.", lost);
        }

        _migrated = true;
        return result;
    }
}
