using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>One JSON document of the configuration folder: read whole, changed under a lock, replaced in one step.</summary>
/// <remarks>
/// A change writes a temporary file, flushes it, renames it over the old one and flushes the folder: after a power cut either
/// the old or the new document is there. Readers take no lock.
/// </remarks>
/// <typeparam name="T">A record whose default value means "nothing configured"; give it a source-generated strict context.</typeparam>
public sealed class JsonStore<T>(ConfigurationFolder folder, string name, JsonTypeInfo<T> type)
    where T : class, new()
{
    private const int MaxBytes = 16 * 1024 * 1024;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public string Path => folder[name];

    /// <summary>The document, or the default value where there is none.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>: others could have written it.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>.</exception>
    public async Task<T> ReadAsync(CancellationToken cancellationToken)
    {
        folder.RequireTrusted(name);
        try
        {
            await using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (stream.Length > MaxBytes)
            {
                throw new InvalidInputException(ErrorIds.ConfigurationInvalid,
                    $"'{Path}' has {stream.Length} bytes; a configuration file has at most {MaxBytes}.");
            }

            byte[] text = new byte[stream.Length];
            int count = await stream.ReadAtLeastAsync(text, text.Length, throwOnEndOfStream: false, cancellationToken);
            return Parse(text.AsSpan(0, count)) ?? throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{Path}' holds the JSON value null.");
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return new T();
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{Path}' cannot be read: {fault.Message}", fault);
        }
        catch (JsonException fault)
        {
            throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{Path}' is no valid document: {fault.Message}", fault);
        }
    }

    private T? Parse(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> json = text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
        RefuseNullItems(json);
        return JsonSerializer.Deserialize(json, type);
    }

    // The strict reader keeps null out of members that must not have it, but not out of lists.
    private static void RefuseNullItems(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var inList = new Stack<bool>();
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartArray or JsonTokenType.StartObject:
                    inList.Push(reader.TokenType == JsonTokenType.StartArray);
                    break;
                case JsonTokenType.EndArray or JsonTokenType.EndObject:
                    inList.Pop();
                    break;
                case JsonTokenType.Null when inList.TryPeek(out bool isItem) && isItem:
                    throw new JsonException($"an item of a list is null, at byte {reader.TokenStartIndex}.");
            }
        }
    }

    /// <summary>Applies <paramref name="change"/> to the current document and stores what it returns; waits for other writers.</summary>
    public async Task<T> UpdateAsync(Func<T, T> change, CancellationToken cancellationToken)
    {
        folder.Create();
        using FileLock gate = await FileLock.TakeAsync(Path, s_patience, cancellationToken);
        T changed = change(await ReadAsync(cancellationToken));
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(changed, type);
        await using PendingFile pending =
            await PendingFile.CreateAsync(Path, new FileCreateOptions { Length = text.Length }, replace: true, cancellationToken);
        await pending.Device.WriteAsync(0, text, cancellationToken);
        await pending.CommitAsync(cancellationToken);
        return changed;
    }
}
