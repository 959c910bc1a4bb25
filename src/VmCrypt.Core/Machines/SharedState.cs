using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Core.Wipe.Policy;

namespace VmCrypt.Core.Machines;

/// <summary>A host begins or ends to share its state with others.</summary>
public static class SharedState
{
    /// <summary>Uses a database from now on; null goes back to the host's own files, in which the USB lists stay as they were last seen.</summary>
    /// <param name="upload">The USB lists and wipe policies that the database has not are copied there first; else those of the database count alone.</param>
    public static async Task UseAsync(ConfigurationFolder folder, string? connection, bool upload, CancellationToken cancellationToken)
    {
        var lists = new UsbWhitelistStore(folder);
        IReadOnlyList<WipePolicy> policies = [];
        List<UsbWhitelist> own = [];

        // Only what goes along is read: who leaves a database that has gone for good is not to wait for it.
        upload &= connection is not null;
        if (upload)
        {
            policies = await new WipePolicies(folder).ListAsync(cancellationToken);
            foreach (string? vm in lists.Names())
            {
                own.Add((await lists.FindAsync(vm, cancellationToken))!);
            }
        }

        await HostDatabase.SetAsync(folder, connection, cancellationToken);
        if (upload)
        {
            foreach (UsbWhitelist list in own)
            {
                await lists.ChangeAsync(list.Vm, rules => rules.Count > 0 ? rules : list.Rules, cancellationToken);
            }

            var shared = new WipePolicies(folder);
            HashSet<string> there = [.. (await shared.ListAsync(cancellationToken)).Select(policy => policy.Vm.ToUpperInvariant())];
            foreach (WipePolicy policy in policies.Where(policy => !there.Contains(policy.Vm.ToUpperInvariant())))
            {
                await shared.SetAsync(policy, cancellationToken);
            }
        }

        await lists.SynchroniseAsync(cancellationToken);
    }
}
