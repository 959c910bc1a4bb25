using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys;

/// <summary>How a disk with key slots is made: each has a LUKS header of its own kind, at a place of its own.</summary>
public enum SlotDiskKind
{
    Luks1,
    Luks2,
    Qcow2,
    Over,
}

/// <summary>An encrypted image with its key slots, used through the service that the commands use.</summary>
internal sealed class SlotDisk(DiskLocation location)
{
    public const string Passphrase = "first";

    public static KdfCost Cheap { get; } = KdfCost.OfIterations(KdfCost.MinIterations);

    private static CancellationToken Token => Sample.Token;

    public static async Task<SlotDisk> MakeAsync(Scratch scratch, SlotDiskKind kind, string name = "disk")
    {
        var location = DiskLocation.Parse(scratch[name]);
        bool luks2 = kind is SlotDiskKind.Luks2 or SlotDiskKind.Over;
        var plan = new NewDisk
        {
            Size = 1 << 20,
            Format = kind is SlotDiskKind.Luks1 or SlotDiskKind.Luks2 ? ImageFormat.Raw : ImageFormat.Qcow2,
            Over = kind == SlotDiskKind.Over,
            // Half the key makes half the material to erase, forty times.
            Encryption = (luks2 ? Sample.Luks2Options with { KeyslotsSize = 5 * 131072 } : Sample.Options) with { KeySize = 32 },
        };
        using SecretBuffer secret = Sample.Secret(Passphrase);
        await DiskFile.CreateAsync(new DiskTarget { Location = location }, plan, secret, fill: null, Token);
        return new SlotDisk(location);
    }

    public async Task<KeySlotFacts[]> SlotsAsync() =>
        [.. (await KeySlots.ListAsync(location, DiskOpenOptions.Default, Token)).Where(slot => slot.IsActive)];

    public async Task<KeySlotChange> AddAsync(string added, string current = Passphrase, int? slot = null, KdfCost? cost = null, KeySlotPriority? priority = null)
    {
        using DiskKeys keys = KeysOf(current);
        using SecretBuffer secret = Sample.Secret(added);
        return await KeySlots.AddAsync(location, DiskOpenOptions.Default, keys, new NewKeySlot(secret, cost ?? Cheap, slot, priority), Token);
    }

    public async Task<KeySlotChange> AddUnboundAsync(byte[] key, string passphrase)
    {
        using SecretBuffer own = SecretBuffer.CopyOf(key);
        using SecretBuffer secret = Sample.Secret(passphrase);
        return await KeySlots.AddUnboundAsync(location, DiskOpenOptions.Default, own, new NewKeySlot(secret, Cheap), Token);
    }

    /// <summary>The key that is exported by one slot.</summary>
    public async Task<(byte[] Key, bool OpensData)> ExportAsync(string passphrase, int slot, string file)
    {
        using DiskKeys keys = KeysOf(passphrase, slot);
        ExportedKey exported = await VolumeKeyExport.RunAsync(location, DiskOpenOptions.Default, keys, file, Token);
        return (File.ReadAllBytes(file), exported.OpensData);
    }

    public Task<KeySlotChange> ChangeAsync(string current, string replacement, int? slot = null) => ChangeAsync(KeysOf(current, slot), replacement);

    /// <summary>Takes the keys.</summary>
    public async Task<KeySlotChange> ChangeAsync(DiskKeys current, string replacement)
    {
        using (current)
        {
            using SecretBuffer secret = Sample.Secret(replacement);
            return await KeyRotation.ChangeAsync(location, DiskOpenOptions.Default, current, new NewKeySlot(secret, Cheap), Token);
        }
    }

    public async Task<KeySlotChange> RenewAsync(string passphrase, KdfCost cost, int? slot = null)
    {
        using DiskKeys keys = KeysOf(passphrase, slot);
        return await KeyRotation.RenewAsync(location, DiskOpenOptions.Default, keys, cost, priority: null, Token);
    }

    public async Task<int> RemoveAsync(int? slot, string? passphrase, bool force = false)
    {
        using DiskKeys? keys = passphrase is null ? null : KeysOf(passphrase);
        return await KeySlots.RemoveAsync(location, DiskOpenOptions.Default, slot, keys, force, Token);
    }

    public Task SetPriorityAsync(int slot, KeySlotPriority priority) =>
        KeySlots.SetPriorityAsync(location, DiskOpenOptions.Default, slot, priority, Token).AsTask();

    public async Task<KeyTrial> TryAsync(string passphrase, int? slot = null)
    {
        using DiskKeys keys = KeysOf(passphrase, slot);
        return await KeySlots.TryAsync(location, DiskOpenOptions.Default, keys, Token);
    }

    public async Task<bool> OpensAsync(string passphrase) => (await TryAsync(passphrase)).Opens;

    /// <summary>The volume key, as keys of a disk; the caller disposes it.</summary>
    public async Task<DiskKeys> VolumeKeyAsync(int? slot = null)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(location, DiskOpenOptions.Default, Token);
        using SecretBuffer secret = Sample.Secret(Passphrase);
        using VolumeKey key = (await disk.RequireLuks().UnlockAsync(secret, null, Token)).Key;
        return new DiskKeys { VolumeKey = key.Export(), Slot = slot };
    }

    private static DiskKeys KeysOf(string passphrase, int? slot = null) => new(Sample.Secret(passphrase)) { Slot = slot };
}
