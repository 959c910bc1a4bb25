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
public sealed class JsonStore<T>(ConfigurationFolder folder, string name, JsonTypeInfo<T> type) : IDocument<T>
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
            return Documents.Parse(text.AsSpan(0, count), Path, type);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            return new T();
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{Path}' cannot be read: {fault.Message}", fault);
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
