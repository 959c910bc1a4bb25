using System.IO.Enumeration;
using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A command on stored keys: of images by their path, of VMs, or all of them.</summary>
public abstract class DiskKeyCmdlet : KeyStoreCmdlet
{
    /// <summary>Paths of images, with wildcards.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "FullName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[]? Path { get; set; }

    /// <summary>Names, with wildcards, or UUIDs of VMs.</summary>
    [Parameter]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[]? Vm { get; set; }

    /// <summary>Works on one stored key.</summary>
    private protected abstract void ProcessKey(DiskKey key);

    private protected override void Process()
    {
        foreach (string path in Path ?? [])
        {
            Attempt(path, () => Each(path, path.AsSpan().ContainsAny('*', '?')
                ? All().Where(entry => FileSystemName.MatchesSimpleExpression(path, entry.Disk.Path))
                : Run(token => new ValueTask<IReadOnlyList<DiskKeyEntry>>(Store.OfPathAsync(Shell.ResolveNewPath(path), token)))));
        }

        foreach (string vm in Vm ?? [])
        {
            Attempt(vm, () => Each(vm, vm.AsSpan().ContainsAny('*', '?')
                ? All().Where(entry => entry.Disk.VM is { } name && FileSystemName.MatchesSimpleExpression(vm, name))
                : Run(token => new ValueTask<IReadOnlyList<DiskKeyEntry>>(Store.OfVMAsync(vm, token)))));
        }

        if (Path is null && Vm is null)
        {
            ProcessUnnamed();
        }
    }

    /// <summary>Nothing was named: all keys are meant.</summary>
    private protected virtual void ProcessUnnamed()
    {
        foreach (DiskKeyEntry entry in All())
        {
            Attempt(entry.Disk.Path, () => ProcessKey(new DiskKey(entry)));
        }
    }

    private IReadOnlyList<DiskKeyEntry> All() => Run(token => new ValueTask<IReadOnlyList<DiskKeyEntry>>(Store.ListAsync(token)));

    private void Each(string name, IEnumerable<DiskKeyEntry> found)
    {
        DiskKeyEntry[] entries = [.. found];
        if (entries.Length == 0)
        {
            throw new MissingException(ErrorIds.DiskKeyMissing, $"The key store holds no key for '{name}'.");
        }

        foreach (DiskKeyEntry entry in entries)
        {
            Attempt(entry.Disk.Path, () => ProcessKey(new DiskKey(entry)));
        }
    }
}
