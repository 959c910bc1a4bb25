using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>One header in the hands of both, turn by turn, at random: slots with gaps, unbound ones, priorities, tokens, labels.</summary>
/// <remarks>What must be in the header is kept beside it in words; after every turn both must see that, and at the end everything must open.</remarks>
public sealed class Luks2TurnsTests : IDisposable
{
    private const int Turns = 40;

    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;
    private readonly SortedDictionary<int, (string Passphrase, bool Bound, KeySlotPriority Priority)> _slots = [];
    private readonly SortedDictionary<int, (string Type, SortedSet<int> Slots)> _tokens = [];
    private string _label = string.Empty;

    public Luks2TurnsTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public async Task Both_see_what_either_has_changed(int seed, bool ours)
    {
        LuksDisk disk = ours
            ? await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2 with { KeyslotsSize = 8 * 258048 })
            : _cryptsetup.FormatLuks2("--luks2-keyslots-size", "4m");
        _slots[0] = (LuksDisk.Passphrase, true, KeySlotPriority.Normal);
        var random = new Random(seed);
        List<string> story = [];
        for (int turn = 0; turn < Turns; turn++)
        {
            story.Add(await TakeTurnAsync(disk, random, turn));
            string expected = Words();
            Assert.True(expected == OfCryptsetup(_cryptsetup.Json(disk)), $"cryptsetup sees {OfCryptsetup(_cryptsetup.Json(disk))}\nnot {expected}\nafter {string.Join("; ", story)}");
            Assert.True(expected == OfOurs((await disk.OpenAsync()).Facts), $"we see {OfOurs((await disk.OpenAsync()).Facts)}\nnot {expected}\nafter {string.Join("; ", story)}");
        }

        Assert.Equal(_label, (await disk.OpenAsync()).Facts.Label);
        Assert.Contains($"Label:         \t{(_label.Length == 0 ? "(no label)" : _label)}", _cryptsetup.Dump(disk), StringComparison.Ordinal);
        foreach ((int number, (string passphrase, bool bound, _)) in _slots)
        {
            Assert.True(_cryptsetup.Opens(disk, passphrase, "--key-slot", number.ToString()), $"slot {number} to cryptsetup");
            LuksHeader header = await disk.OpenAsync();
            using SecretBuffer secret = LuksDisk.Secret(passphrase);
            using SecretBuffer key = await header.OpenUnboundAsync(secret, number, Token);
            Assert.Equal(bound ? 64 : 32, key.Length);
        }
    }

    public void Dispose() => _scratch.Dispose();

    private async Task<string> TakeTurnAsync(LuksDisk disk, Random random, int turn)
    {
        bool us = random.Next(2) == 0;
        int[] keepers = [.. _slots.Where(slot => slot.Value is { Bound: true, Priority: not KeySlotPriority.Ignore }).Select(slot => slot.Key)];
        int keeper = keepers[random.Next(keepers.Length)];
        int any = _slots.Keys.ElementAt(random.Next(_slots.Count));
        string who = us ? "we" : "they";
        switch (random.Next(8))
        {
            case 0 or 1 when _slots.Count < 7:
                int free = Enumerable.Range(0, 32).Where(number => !_slots.ContainsKey(number)).ElementAt(random.Next(10));
                await (us ? AddAsync(disk, keeper, free, $"added {turn}") : Cryptsetup(
                    "luksAddKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", Key(keeper), "--key-slot", $"{free}", disk.Path, File($"added {turn}")));
                _slots[free] = ($"added {turn}", true, KeySlotPriority.Normal);
                return $"{who} added slot {free}";
            case 2 when _slots.Count < 7:
                free = Enumerable.Range(0, 32).First(number => !_slots.ContainsKey(number));
                await (us ? AddUnboundAsync(disk, free, $"unbound {turn}") : Cryptsetup(
                    "luksAddKey", "--unbound", "--key-size", "256", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-slot", $"{free}", "--key-file", Key(keeper), disk.Path, File($"unbound {turn}")));
                _slots[free] = ($"unbound {turn}", false, KeySlotPriority.Normal);
                return $"{who} added the unbound slot {free}";
            case 3 when any != keeper:
                await (us ? ChangeAsync(disk, header => header.RemoveSlotAsync(any, false, Token)) : Cryptsetup("luksKillSlot", "--key-file", Key(keeper), disk.Path, $"{any}"));
                _slots.Remove(any);
                _tokens.Values.ToList().ForEach(token => token.Slots.Remove(any));
                return $"{who} removed slot {any}";
            case 4:
                await (us ? disk.ReplaceAsync(_slots[keeper].Passphrase, $"changed {turn}") : Cryptsetup(
                    "luksChangeKey", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", Key(keeper), "--key-slot", $"{keeper}", disk.Path, File($"changed {turn}")));
                _slots[keeper] = _slots[keeper] with { Passphrase = $"changed {turn}" };
                return $"{who} changed slot {keeper}";
            case 5 when any != keeper:
                var priority = (KeySlotPriority)random.Next(3);
                await (us ? ChangeAsync(disk, header => header.SetPriorityAsync(any, priority, Token))
                    : Cryptsetup("config", "--key-slot", $"{any}", "--priority", priority.ToString().ToLowerInvariant(), disk.Path));
                _slots[any] = _slots[any] with { Priority = priority };
                return $"{who} gave slot {any} the priority {priority}";
            case 6 when _tokens.Count < 6:
                int number = Enumerable.Range(0, 32).Where(n => !_tokens.ContainsKey(n)).ElementAt(random.Next(8));
                string json = $$"""{"type":"t{{turn}}","keyslots":["{{any}}"]}""";
                await (us ? ChangeAsync(disk, async header => _ = await header.AddTokenAsync(json, number, Token))
                    : Cryptsetup("token", "import", "--json-file", File(json), "--token-id", $"{number}", disk.Path));
                _tokens[number] = ($"t{turn}", [any]);
                return $"{who} added token {number} for slot {any}";
            case 7 when _tokens.Count > 3:
                number = _tokens.Keys.First();
                await (us ? ChangeAsync(disk, header => header.RemoveTokenAsync(number, Token)) : Cryptsetup("token", "remove", "--token-id", $"{number}", disk.Path));
                _tokens.Remove(number);
                return $"{who} removed token {number}";
            default:
                _label = $"label {turn}";
                await (us ? ChangeAsync(disk, header => header.SetLabelAsync(_label, null, Token)) : Cryptsetup("config", "--label", _label, disk.Path));
                return $"{who} set the label";
        }
    }

    private Task<int> AddAsync(LuksDisk disk, int keeper, int free, string passphrase) => disk.AddAsync(_slots[keeper].Passphrase, passphrase, free);

    private static Task AddUnboundAsync(LuksDisk disk, int free, string passphrase) => ChangeAsync(disk, async header =>
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using SecretBuffer secret = LuksDisk.Secret(passphrase);
        await header.AddUnboundSlotAsync(key, secret, free, LuksDisk.Quick.Cost, Token);
    });

    private static async Task ChangeAsync(LuksDisk disk, Func<LuksHeader, ValueTask> change)
    {
        var device = new MemoryDevice(System.IO.File.ReadAllBytes(disk.Path));
        await change(await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token));
        System.IO.File.WriteAllBytes(disk.Path, device.ToArray());
    }

    private static Task<int> Cryptsetup(params string[] arguments)
    {
        Tools.Run("cryptsetup", ["-q", .. arguments]);
        return Task.FromResult(0);
    }

    private string Key(int slot) => _cryptsetup.KeyFile(_slots[slot].Passphrase);

    private string File(string text) => _cryptsetup.KeyFile(text);

    private string Words() => string.Join(", ",
    [
        .. _slots.Select(slot => $"slot {slot.Key} {slot.Value.Bound} {slot.Value.Priority}"),
        .. _tokens.Select(token => $"token {token.Key} {token.Value.Type} {string.Join('+', token.Value.Slots)}"),
    ]);

    private static string OfOurs(LuksFacts facts) => string.Join(", ",
    [
        .. facts.Slots.Select(slot => $"slot {slot.Number} {slot.IsBound} {slot.Priority}"),
        .. facts.Tokens.Select(token => $"token {token.Number} {token.Type} {string.Join('+', token.KeySlots)}"),
    ]);

    private static string OfCryptsetup(JsonNode json)
    {
        HashSet<string> bound = [.. json["digests"]!.AsObject().Where(digest => digest.Value!["segments"]!.AsArray().Count > 0)
            .SelectMany(digest => digest.Value!["keyslots"]!.AsArray()).Select(slot => slot!.GetValue<string>())];
        return string.Join(", ",
        [
            .. Objects(json, "keyslots").Select(slot =>
                $"slot {slot.Number} {bound.Contains($"{slot.Number}")} {(KeySlotPriority)(slot.Value["priority"]?.GetValue<int>() ?? 1)}"),
            .. Objects(json, "tokens").Select(token =>
                $"token {token.Number} {token.Value["type"]} {string.Join('+', token.Value["keyslots"]!.AsArray().Select(slot => slot!.GetValue<string>()))}"),
        ]);
    }

    private static IEnumerable<(int Number, JsonNode Value)> Objects(JsonNode json, string section) =>
        json[section]!.AsObject().Select(pair => (int.Parse(pair.Key), pair.Value!)).OrderBy(pair => pair.Item1);
}
