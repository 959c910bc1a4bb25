using System.Data.Common;
using Npgsql;

namespace VmCrypt.Core.Database;

/// <summary>One transaction, in which a piece of work asks the database.</summary>
internal sealed class DatabaseSession(NpgsqlConnection connection, CancellationToken cancellationToken)
{
    /// <summary>Runs a statement and tells how many rows it changed.</summary>
    /// <param name="values">For $1, $2 and so on; null for NULL.</param>
    public async Task<int> RunAsync(string sql, params object?[] values)
    {
        await using NpgsqlCommand command = Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <inheritdoc cref="RunAsync"/>
    public async Task<List<T>> QueryAsync<T>(string sql, Func<DbDataReader, T> row, params object?[] values)
    {
        await using NpgsqlCommand command = Command(sql, values);
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(row(reader));
        }

        return rows;
    }

    private NpgsqlCommand Command(string sql, object?[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (object? value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }

        return command;
    }
}
