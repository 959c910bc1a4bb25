using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Stack;

/// <summary>The secrets that open the layers of one disk. Owns them.</summary>
/// <remarks>A layer takes the secret that names its path (full, or the file's name alone), else <see cref="Default"/>.</remarks>
public sealed class DiskKeys : IDisposable
{
    private readonly Dictionary<string, SecretBuffer> _byPath;

    /// <summary>Takes <paramref name="passphrase"/>.</summary>
    public DiskKeys(SecretBuffer? passphrase = null)
        : this(passphrase, new Dictionary<string, SecretBuffer>(StringComparer.Ordinal))
    {
    }

    private DiskKeys(SecretBuffer? passphrase, Dictionary<string, SecretBuffer> byPath)
    {
        Default = passphrase;
        _byPath = byPath;
    }

    public SecretBuffer? Default { get; }

    /// <summary>The raw volume key of the active layer, which needs no passphrase then.</summary>
    public SecretBuffer? VolumeKey { get; init; }

    /// <summary>The slot to try alone on the active layer; null tries all.</summary>
    public int? Slot { get; init; }

    /// <summary>Takes the secret of one layer.</summary>
    public void Add(string path, SecretBuffer passphrase) => _byPath.Add(path, passphrase);

    /// <summary>The secret of the layer at <paramref name="location"/>, borrowed; null where there is none.</summary>
    public SecretBuffer? For(DiskLocation location) =>
        _byPath.GetValueOrDefault(location.Text) ?? _byPath.GetValueOrDefault(Path.GetFileName(location.Text)) ?? Default;

    /// <summary>The same secrets for the images behind the active one, borrowed: its volume key and slot are not theirs.</summary>
    internal DiskKeys Behind() => new(Default, _byPath);

    public void Dispose()
    {
        Default?.Dispose();
        VolumeKey?.Dispose();
        foreach (SecretBuffer secret in _byPath.Values)
        {
            secret.Dispose();
        }
    }
}
