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
    /// <remarks>What is to be copied is in the database before the host counts on it: stopped between, the host goes on as before.</remarks>
    /// <param name="upload">The USB lists and wipe policies that the database has not are copied there first; else those of the database count alone.</param>
    public static async Task UseAsync(ConfigurationFolder folder, string? connection, bool upload, CancellationToken cancellationToken)
    {
        if (connection is not null && upload)
        {
            await UploadAsync(folder, connection, cancellationToken);
        }

        await HostDatabase.SetAsync(folder, connection, cancellationToken);
        await new UsbWhitelistStore(folder).SynchroniseAsync(cancellationToken);
    }

    // By way of a folder of its own that names the database already, and is thrown away.
    private static async Task UploadAsync(ConfigurationFolder folder, string connection, CancellationToken cancellationToken)
    {
        var way = new ConfigurationFolder(Directory.CreateTempSubdirectory("vmcrypt-").FullName);
        try
        {
            await HostDatabase.SetAsync(way, connection, cancellationToken);
            var own = new UsbWhitelistStore(folder);
            var lists = new UsbWhitelistStore(way);
            foreach (string? vm in own.Names())
            {
                UsbWhitelist list = (await own.FindAsync(vm, cancellationToken))!;
                await lists.ChangeAsync(vm, rules => rules.Count > 0 ? rules : list.Rules, cancellationToken);
            }

            var policies = new WipePolicies(way);
            HashSet<string> there = [.. (await policies.ListAsync(cancellationToken)).Select(policy => policy.Vm.ToUpperInvariant())];
            foreach (WipePolicy policy in (await new WipePolicies(folder).ListAsync(cancellationToken)).Where(policy => !there.Contains(policy.Vm.ToUpperInvariant())))
            {
                await policies.SetAsync(policy, cancellationToken);
            }
        }
        finally
        {
            Directory.Delete(way.Path, recursive: true);
        }
    }
}
