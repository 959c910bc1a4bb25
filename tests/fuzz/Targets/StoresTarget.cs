using VmCrypt.Core.Configuration;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Core.Wipe;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The JSON documents of the configuration folder, which people edit. The first byte chooses which.</summary>
internal sealed class StoresTarget : IFuzzTarget
{
    private readonly ScratchFolder _folder = new(path => Directory.CreateDirectory(Path.Combine(path, "usb")));

    public string Name => "stores";

    public int MaxLength => 16 * 1024;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "null", "true", "false", "[]", "{}", "[null]", "\"\"", ",", ":", "-1", "1e999", "\"vm\":", "\"rules\":", "\"allow 048d:1169\"", "\"policies\":", "\"deepErase\":", "\"erase\":",
        "\"requiredStandard\":", "\"secondConfirmation\":", "\"disks\":", "\"*\"", "\"standards\":", "\"name\":", "\"aliases\":", "\"title\":", "\"passes\":", "\"random\"", "\"0xFF\"", "\"0x\"",
        "\"verify\":\"allPasses\"", "\"cryptoErase\":", "\"shuffle\":{\"first\":1,\"last\":2}", "\"origin\":", "\"notes\":", "\\ud800", "\\u0000", "/*", "//");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (!input.IsEmpty)
        {
            Sync.Wait(RunAsync(input[0] % 3, input[1..].ToArray(), trace));
        }
    }

    private async Task RunAsync(int which, byte[] content, Trace trace)
    {
        var configuration = new ConfigurationFolder(_folder.Path);
        switch (which)
        {
            case 0:
                _folder.Write(Path.Combine("usb", "default.json"), content);
                UsbWhitelist? list = await new UsbWhitelistStore(configuration).FindAsync(vm: null, default);
                trace.Note("rules", new UsbRuleSet(list!).Whitelist.Rules.Count);
                break;
            case 1:
                _folder.Write(WipePolicies.FileName, content);
                var request = new WipeRequest { Path = "/vm/disk.qcow2", VM = "vm01", After = AfterWipe.Delete };
                PolicyDecision decision = await new WipePolicies(configuration).DecideAsync(request, WipeStandards.BuiltIn, default);
                trace.Note($"{decision.DeleteOnly} {decision.Standard.Name}");
                break;
            default:
                _folder.Write(WipeStandards.FileName, content);
                WipeStandards standards = await WipeStandards.LoadAsync(configuration, default);
                trace.Note("standards", standards.All.Length);
                break;
        }
    }
}
