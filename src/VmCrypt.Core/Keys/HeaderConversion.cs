using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A header that can be converted; the image stays open, and locked for others, until this is disposed.</summary>
/// <remarks>A backup of the header is written before the conversion: it restores what was, whatever happens.</remarks>
public sealed class HeaderConversion : IAsyncDisposable
{
    private readonly DiskStack _disk;
    private readonly LuksConversion _conversion;
    private readonly DiskOpenOptions _options;

    private HeaderConversion(DiskStack disk, LuksConversion conversion, DiskOpenOptions options)
    {
        _disk = disk;
        _conversion = conversion;
        _options = options;
    }

    public LuksVersion Source => _disk.Luks!.Version;

    public LuksVersion Target => _conversion.Target;

    public string Uuid => _disk.Luks!.Uuid;

    /// <inheritdoc cref="LuksConversion.Losses"/>
    public IReadOnlyList<string> Losses => _conversion.Losses;

    /// <summary>Finds out whether the image's header can become one of the version <paramref name="target"/>; writes nothing.</summary>
    /// <exception cref="RefusedException">What stands against it, <c>Conversion…</c>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ConversionEmbedded"/>, <see cref="ErrorIds.ConversionMisaligned"/>.</exception>
    public static async ValueTask<HeaderConversion> PlanAsync(
        DiskLocation location, DiskOpenOptions options, LuksVersion target, CancellationToken cancellationToken)
    {
        options = options with { Writable = true, HeadersOnly = true };
        DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken);
        try
        {
            LuksHeader header = disk.RequireLuks();
            return header.Version == target
                ? throw new RefusedException(ErrorIds.ConversionNeedless, $"The header of {location} is {LuksVersions.NameOf(target)} already.")
                : new HeaderConversion(disk, await header.PlanConversionAsync(cancellationToken), options);
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    /// <summary>Writes the backup, then converts.</summary>
    /// <param name="backupPath">A new file; never replaced.</param>
    public async ValueTask<HeaderBackup> RunAsync(string backupPath, CancellationToken cancellationToken)
    {
        LuksHeaderBackup backup = await LuksHeaderBackup.ReadAsync(_disk.Active.LuksArea!, _disk.LuksPlacement, cancellationToken);
        await HeaderBackups.WriteAsync(backup, backupPath, replace: false, cancellationToken);
        await _conversion.RunAsync(cancellationToken);
        return HeaderBackups.Describe(_disk.Location, _options, backupPath, backup);
    }

    public ValueTask DisposeAsync() => _disk.DisposeAsync();
}
