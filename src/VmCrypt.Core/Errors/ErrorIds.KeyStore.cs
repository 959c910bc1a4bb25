namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>There is no key store in the configuration folder.</summary>
    public const string KeyStoreMissing = nameof(KeyStoreMissing);

    /// <summary>A key store is there already.</summary>
    public const string KeyStoreExists = nameof(KeyStoreExists);

    /// <summary>Bytes of the key store break the rules of its format.</summary>
    public const string KeyStoreDamaged = nameof(KeyStoreDamaged);

    /// <summary>The key store has a version that this program does not know.</summary>
    public const string KeyStoreVersionUnsupported = nameof(KeyStoreVersionUnsupported);

    /// <summary>The key store is well formed, but was changed by somebody who does not have its key.</summary>
    public const string KeyStoreForged = nameof(KeyStoreForged);

    /// <summary>The key store has seen fewer changes than the audit log knows of: an earlier state was put back.</summary>
    public const string KeyStoreRolledBack = nameof(KeyStoreRolledBack);

    /// <summary>Nothing that was given, and nothing on this host, opens the key store.</summary>
    public const string KeyStoreLocked = nameof(KeyStoreLocked);

    /// <summary>A protector of the key store holds values that are not allowed.</summary>
    public const string KeyProtectorInvalid = nameof(KeyProtectorInvalid);

    /// <summary>A protector of the key store cannot be used on this host.</summary>
    public const string KeyProtectorUnavailable = nameof(KeyProtectorUnavailable);

    /// <summary>The key store has no such protector, or it is the only one.</summary>
    public const string KeyProtectorMissing = nameof(KeyProtectorMissing);

    /// <summary>The key store holds no key for the disk or VM.</summary>
    public const string DiskKeyMissing = nameof(DiskKeyMissing);

    /// <summary>The key store holds a key for the disk already.</summary>
    public const string DiskKeyExists = nameof(DiskKeyExists);

    /// <summary>The key store holds several keys that fit, and only one is wanted.</summary>
    public const string DiskKeyAmbiguous = nameof(DiskKeyAmbiguous);

    /// <summary>A stored secret does not belong to the record that holds it.</summary>
    public const string DiskKeyForged = nameof(DiskKeyForged);

    /// <summary>What is to be stored of a disk breaks a limit.</summary>
    public const string DiskKeyInvalid = nameof(DiskKeyInvalid);

    /// <summary>Somebody else changed the record of the disk at the same time.</summary>
    public const string DiskKeyChanged = nameof(DiskKeyChanged);
}
