using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class WipePolicyTests : IDisposable
{
    private static readonly CancellationToken s_ct = CancellationToken.None;

    private readonly Scratch _scratch = new();
    private readonly WipePolicies _policies;

    public WipePolicyTests() => _policies = new WipePolicies(new ConfigurationFolder(_scratch.Folder));

    public void Dispose() => _scratch.Dispose();

    // The permission table of the origin: deep erase, else plain delete if asked for, else refused.
    [Theory]
    [InlineData(true, true, AfterWipe.Keep, "wipe")]
    [InlineData(true, false, AfterWipe.Delete, "wipe")]
    [InlineData(false, true, AfterWipe.Delete, "delete")]
    [InlineData(false, true, AfterWipe.Keep, ErrorIds.WipeNotAllowed)]
    [InlineData(false, true, AfterWipe.Trim, ErrorIds.WipeNotAllowed)]
    [InlineData(false, false, AfterWipe.Delete, ErrorIds.WipeNotAllowed)]
    public async Task Deep_erase_then_plain_delete_then_nothing(bool deep, bool erase, AfterWipe after, string expected)
    {
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = deep, Erase = erase }, s_ct);
        Assert.Equal(expected, await DecideAsync(new WipeRequest { Path = "/d/a", VM = "WEB", After = after }));
    }

    [Fact]
    public async Task Nothing_said_is_nothing_forbidden() => Assert.Equal("wipe", await DecideAsync(new WipeRequest { Path = "/d/a", VM = "web" }));

    [Fact]
    public async Task The_entry_for_every_VM_counts_where_no_other_does()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "*", DeepErase = false, Erase = false }, s_ct);
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = true, Erase = true }, s_ct);

        Assert.Equal("wipe", await DecideAsync(new WipeRequest { Path = "/d/a", VM = "web" }));
        Assert.Equal(ErrorIds.WipeNotAllowed, await DecideAsync(new WipeRequest { Path = "/d/a", VM = "db" }));
        Assert.Equal(ErrorIds.WipeNotAllowed, await DecideAsync(new WipeRequest { Path = "/d/a" }));
    }

    [Fact]
    public async Task A_disk_cannot_escape_its_policy_by_naming_another_VM_or_none()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "db", DeepErase = false, Erase = false, Disks = ["/disks/db-*.qcow2"] }, s_ct);
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = true, Erase = true }, s_ct);

        Assert.Equal(ErrorIds.WipeNotAllowed, await DecideAsync(new WipeRequest { Path = "/disks/db-1.qcow2" }));
        Assert.Equal(ErrorIds.WipeNotAllowed, await DecideAsync(new WipeRequest { Path = "/disks/../disks/db-1.qcow2", VM = "web" }));
        Assert.Equal("wipe", await DecideAsync(new WipeRequest { Path = "/disks/web-1.qcow2", VM = "web" }));
    }

    [Fact]
    public async Task A_required_standard_is_taken_and_no_other_accepted()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = true, Erase = true, RequiredStandard = "DoD3" }, s_ct);
        var request = new WipeRequest { Path = "/d/a", VM = "web" };

        PolicyDecision decision = await _policies.DecideAsync(request, WipeStandards.BuiltIn, s_ct);

        Assert.Equal("DoD", decision.Standard.Name);
        Assert.Equal("wipe", await DecideAsync(request with { Standard = WipeStandards.BuiltIn["DoD"] }));
        Assert.Equal(ErrorIds.WipeStandardNotAllowed, await DecideAsync(request with { Standard = WipeStandards.BuiltIn["Zero"] }));
    }

    [Fact]
    public async Task A_second_confirmation_cannot_be_left_out()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = true, Erase = true, SecondConfirmation = true }, s_ct);
        var request = new WipeRequest { Path = "/d/a", VM = "web", Force = true };

        Assert.Equal(ErrorIds.WipeConfirmationMissing, await DecideAsync(request));
        Assert.Equal(ErrorIds.WipeConfirmationMissing, await DecideAsync(request with { ConfirmedVM = "db" }));
        Assert.Equal("wipe", await DecideAsync(request with { ConfirmedVM = "Web" }));
    }

    [Fact]
    public async Task Policies_are_replaced_listed_and_removed()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = false, Erase = false }, s_ct);
        await _policies.SetAsync(new WipePolicy { Vm = "Web", DeepErase = true, Erase = false }, s_ct);
        await _policies.SetAsync(new WipePolicy { Vm = "db", DeepErase = true, Erase = true }, s_ct);

        Assert.Equal(["db", "Web"], (await _policies.ListAsync(s_ct)).Select(policy => policy.Vm));
        await _policies.RemoveAsync("WEB", s_ct);
        Assert.Equal(["db"], (await _policies.ListAsync(s_ct)).Select(policy => policy.Vm));
        var error = await Assert.ThrowsAsync<MissingException>(() => _policies.RemoveAsync("web", s_ct));
        Assert.Equal(ErrorIds.WipePolicyMissing, error.ErrorId);
    }

    [Fact]
    public async Task Changes_are_in_the_audit_log()
    {
        await _policies.SetAsync(new WipePolicy { Vm = "web", DeepErase = true, Erase = false, RequiredStandard = "DoD7" }, s_ct);
        await _policies.RemoveAsync("web", s_ct);
        string[] log = File.ReadAllLines(_scratch["audit.log"]);
        Assert.Contains("WipePolicy.Set", log[0], StringComparison.Ordinal);
        Assert.Contains("DoD7", log[0], StringComparison.Ordinal);
        Assert.Contains("WipePolicy.Remove", log[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "policies": [ { "vm": "a", "erase": true } ] }""")]
    [InlineData("""{ "policies": [ { "vm": "a", "deepErase": true, "erase": true, "extra": 1 } ] }""")]
    [InlineData("""{ "policies": [ { "vm": null, "deepErase": true, "erase": true } ] }""")]
    public async Task Refuses_a_table_that_it_does_not_understand(string text)
    {
        File.WriteAllText(_scratch[WipePolicies.FileName], text);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => _policies.ListAsync(s_ct));
        Assert.Equal(ErrorIds.ConfigurationInvalid, error.ErrorId);
    }

    private async Task<string> DecideAsync(WipeRequest request)
    {
        try
        {
            return (await _policies.DecideAsync(request, WipeStandards.BuiltIn, s_ct)).DeleteOnly ? "delete" : "wipe";
        }
        catch (RefusedException refusal)
        {
            return refusal.ErrorId;
        }
    }
}
