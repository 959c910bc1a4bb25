using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>A configuration folder with a key store that opens by a key file.</summary>
internal sealed class StoreFolder : IDisposable
{
    public static readonly Guid WebUuid = Guid.Parse("11111111-2222-3333-4444-555555555555");

    public Scratch Scratch { get; } = new();

    public ConfigurationFolder Configuration => new(Scratch["etc"]);

    public ManualClock Clock { get; } = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public DiskKeyStore Store => DiskKeyStore.Of(Configuration, Clock);

    public string File => Configuration[KeyStoreFile.FileName];

    public string KeyFile => Scratch["store.key"];

    private static CancellationToken Token => Sample.Token;

    public static async Task<StoreFolder> MakeAsync()
    {
        var folder = new StoreFolder();
        await folder.Store.CreateAsync(NewKeyProtector.OfKeyFile(folder.KeyFile), Token);
        return folder;
    }

    public Task<DiskKeyRing> UnlockAsync() => Store.UnlockAsync(passphrase: null, Token);

    public static DiskIdentity Disk(string name, string? vm = "web01") => new()
    {
        Path = $"/var/lib/images/{name}.qcow2",
        LuksUuid = $"luks-{name}",
        VM = vm,
        VMUuid = WebUuid,
        Image = Guid.Parse("aaaaaaaa-0000-0000-0000-000000000001"),
    };

    public async Task<DiskKeyEntry> RegisterAsync(string name, string secret = "a secret", string? vm = "web01")
    {
        using DiskKeyRing ring = await UnlockAsync();
        using SecretBuffer given = Sample.Secret(secret);
        return await ring.RegisterAsync(Disk(name, vm), given, slot: 0, Token);
    }

    /// <summary>The secret that is stored for a path, as text.</summary>
    public async Task<string> SecretOfAsync(string name)
    {
        using DiskKeyRing ring = await UnlockAsync();
        var location = Core.Stack.DiskLocation.Parse(Disk(name).Path);
        DiskKeyEntry entry = await ring.RequireOfImageAsync(location, Disk(name).LuksUuid, Token);
        using Core.Stack.DiskKeys keys = await ring.TakeAsync(entry, location, Core.Stack.DiskOpenOptions.Default, slot: null, Token);
        return System.Text.Encoding.UTF8.GetString(keys.Default!.Span);
    }

    /// <summary>The lines of the audit log.</summary>
    public string[] Audit() => System.IO.File.ReadAllLines(Configuration["audit.log"]);

    public void Dispose() => Scratch.Dispose();
}
