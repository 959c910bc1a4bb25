using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;

namespace VmCrypt.Core.Keys.Store;

/// <summary>What the store knows of one disk's key; the secret itself stays wrapped.</summary>
public sealed record DiskKeyEntry
{
    private const int MaxSecrets = 2;

    public required Guid Id { get; init; }

    public required DiskIdentity Disk { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>When the secret was last handed out; null for never.</summary>
    public DateTimeOffset? LastUsed { get; init; }

    /// <summary>How often the secret was handed out.</summary>
    public long UseCount { get; init; }

    /// <summary>The key slot that the secret opens; null where nobody knows.</summary>
    public int? Slot => Current.Slot;

    /// <summary>A rotation was begun and not brought to its end.</summary>
    public bool IsRotating => Pending is not null;

    /// <summary>Counts the changes of the record, so that two of them at a time are noticed; uses do not count.</summary>
    internal long Revision { get; init; }

    internal WrappedSecret Current { get; init; } = null!;

    internal WrappedSecret? Pending { get; init; }

    internal IEnumerable<WrappedSecret> Secrets => Pending is null ? [Current] : [Current, Pending];

    internal byte[] ToBytes()
    {
        var writer = new FieldWriter();
        writer.Guid(Id);
        writer.Int64(Revision);
        writer.Int64(Created.ToUnixTimeMilliseconds());
        writer.Int64(LastUsed?.ToUnixTimeMilliseconds() ?? 0);
        writer.Int64(UseCount);
        writer.Block(Disk.ToBytes());
        writer.Byte(Pending is null ? (byte)1 : (byte)MaxSecrets);
        writer.Bytes(Current.ToBytes());
        writer.Bytes(Pending?.ToBytes());
        return writer.ToArray();
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    internal static DiskKeyEntry Parse(ReadOnlySpan<byte> bytes)
    {
        var reader = new FieldReader(bytes);
        Guid id = reader.Guid(nameof(Id));
        long revision = Positive(nameof(Revision), reader.Int64(nameof(Revision)));
        DateTimeOffset created = reader.Time(nameof(Created));
        DateTimeOffset lastUsed = reader.Time(nameof(LastUsed));
        long useCount = Positive(nameof(UseCount), reader.Int64(nameof(UseCount)));
        DiskIdentity disk = DiskIdentity.Parse(reader.Block(nameof(Disk), ushort.MaxValue));
        int secrets = reader.Byte("Secrets");
        if (secrets is < 1 or > MaxSecrets)
        {
            throw FieldReader.Damaged($"A record has {secrets} secrets; it has 1 or {MaxSecrets}");
        }

        WrappedSecret current = WrappedSecret.Parse(ref reader, SecretRole.Current);
        WrappedSecret? pending = secrets == MaxSecrets ? WrappedSecret.Parse(ref reader, SecretRole.Pending) : null;
        reader.RequireEnd("A record");
        return new DiskKeyEntry
        {
            Id = id,
            Revision = revision,
            Created = created,
            LastUsed = lastUsed == DateTimeOffset.UnixEpoch ? null : lastUsed,
            UseCount = useCount,
            Disk = disk,
            Current = current,
            Pending = pending,
        };
    }

    private static long Positive(string field, long value) =>
        value >= 0 ? value : throw FieldReader.Damaged($"The field {field} of a record is {value}; it is 0 or more");
}
