using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Keys;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Machines;

/// <summary>What is asked of a running VM's QEMU; that a real one does it, Interop.Tests show.</summary>
public sealed class RunningKeySlotsTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_passphrase_that_replaces_itself_still_opens_the_disk()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        await disk.AddAsync("other");

        KeySlotChange change = await ChangeAsync(disk, SlotDisk.Passphrase);

        Assert.Equal(new KeySlotChange(2), change);
        Assert.True(await disk.OpensAsync(SlotDisk.Passphrase));
        Assert.Equal([1, 2], (await disk.SlotsAsync()).Select(slot => slot.Number));
    }

    [Fact]
    public async Task A_passphrase_that_has_its_slot_only_loses_the_old_one()
    {
        SlotDisk disk = await SlotDisk.MakeAsync(_scratch, SlotDiskKind.Luks1);
        await disk.AddAsync("other");

        KeySlotChange change = await ChangeAsync(disk, "other");

        Assert.Equal(new KeySlotChange(1) { WasBegun = true }, change);
        Assert.Equal([1], (await disk.SlotsAsync()).Select(slot => slot.Number));
    }

    private async Task<KeySlotChange> ChangeAsync(SlotDisk disk, string replacement)
    {
        string path = _scratch["disk"];
        await using RunningKeySlots slots = RunningKeySlots.Over(new Monitor(disk, path));
        using var current = new DiskKeys(Sample.Secret(SlotDisk.Passphrase));
        var added = new NewKeySlot(Sample.Secret(replacement), KdfCost.OfTime(TimeSpan.FromMilliseconds(10)));
        return await slots.ChangeAsync(new RunningDisk(DiskLocation.Parse(path), DiskOpenOptions.Default), current, added, Sample.Token);
    }

    /// <summary>A QEMU that has one LUKS disk, and changes its slots at once.</summary>
    private sealed class Monitor(SlotDisk disk, string path) : IQemuMonitor
    {
        private readonly Dictionary<string, string> _secrets = [];
        private string _job = string.Empty;

        public ChannelReader<QemuEvent> Events { get; } = Channel.CreateUnbounded<QemuEvent>().Reader;

        public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken)
        {
            JsonNode answer = command switch
            {
                "query-named-block-nodes" => new JsonArray(new JsonObject { ["node-name"] = "disk0", ["drv"] = "luks", ["ro"] = false, ["file"] = path }),
                "query-jobs" when _job.Length > 0 => new JsonArray(new JsonObject { ["id"] = _job, ["status"] = QemuJob.Concluded }),
                "query-jobs" or "qom-list" => new JsonArray(),
                "human-monitor-command" => JsonValue.Create(string.Empty),
                _ => new JsonObject(),
            };
            if (command == "object-add")
            {
                _secrets.Add(Text(arguments!["id"]), Text(arguments["data"]));
            }

            if (command == "x-blockdev-amend")
            {
                await AmendAsync((JsonObject)arguments!["options"]!);
            }

            _job = command switch { "x-blockdev-amend" => Text(arguments!["job-id"]), "job-dismiss" => string.Empty, _ => _job };
            return JsonSerializer.SerializeToElement(answer);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task AmendAsync(JsonObject change)
        {
            int slot = int.Parse(change["keyslot"]!.ToJsonString());
            if (Text(change["state"]) == "active")
            {
                await disk.AddAsync(_secrets[Text(change["new-secret"])], _secrets[Text(change["secret"])], slot);
            }
            else
            {
                await disk.RemoveAsync(slot, passphrase: null);
            }
        }

        private static string Text(JsonNode? node) => node!.GetValue<string>();
    }
}
