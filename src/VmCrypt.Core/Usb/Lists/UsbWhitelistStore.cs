using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Lists;

/// <summary>The whitelists of this host: one JSON file each, in the folder <c>usb</c> of the configuration.</summary>
public sealed class UsbWhitelistStore
{
    private const string SubFolder = "usb";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly ConfigurationFolder _parent;
    private readonly ConfigurationFolder _folder;

    public UsbWhitelistStore(ConfigurationFolder configuration)
    {
        _parent = configuration;
        _folder = new ConfigurationFolder(configuration[SubFolder]);
    }

    public string Path => _folder.Path;

    /// <summary>Makes the folder unless it is there.</summary>
    public void Create()
    {
        _parent.Create();
        _folder.Create();
    }

    /// <summary>The list of a VM's name or UUID, or (for null) the default list; null where there is none.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>.</exception>
    public async Task<UsbWhitelist?> FindAsync(string? vm, CancellationToken cancellationToken)
    {
        string name = UsbListFile.NameOf(vm);
        if (!IsThere(_folder[name]))
        {
            return null;
        }

        _parent.RequireTrusted(SubFolder);
        return Checked(name, await Document(name).ReadAsync(cancellationToken));
    }

    /// <summary>The VMs that have a list of their own, and null if there is a default list; sorted.</summary>
    public IReadOnlyList<string?> Names() => !Directory.Exists(Path) ? [] :
    [
        .. Directory.EnumerateFiles(Path).Select(System.IO.Path.GetFileName)
            .Where(name => UsbListFile.TryVmOf(name!, out _))
            .Select(name => UsbListFile.TryVmOf(name!, out string? vm) ? vm : null)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Changes the rules of one list, made if it is not there; other writers wait, so that nobody's change is lost.</summary>
    public async Task<UsbWhitelist> ChangeAsync(
        string? vm, Func<IReadOnlyList<UsbRule>, IReadOnlyList<UsbRule>> change, CancellationToken cancellationToken)
    {
        string name = UsbListFile.NameOf(vm);
        Create();
        _parent.RequireTrusted(SubFolder);
        UsbListFile stored = await Document(name).UpdateAsync(
            document => UsbListFile.From(new UsbWhitelist { Vm = vm, Rules = change(Checked(name, document).Rules) }), cancellationToken);
        return stored.ToWhitelist();
    }

    /// <summary>Takes a list away; its VM falls back to the default list.</summary>
    /// <returns>False where there was none.</returns>
    public async Task<bool> RemoveAsync(string? vm, CancellationToken cancellationToken)
    {
        string path = _folder[UsbListFile.NameOf(vm)];
        if (!File.Exists(path))
        {
            return false;
        }

        using FileLock gate = await FileLock.TakeAsync(path, s_patience, cancellationToken);
        try
        {
            bool there = File.Exists(path);
            File.Delete(path);
            FilePlatform.Current.FlushFolder(Path);
            return there;
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"The list '{path}' cannot be removed: {fault.Message}", fault);
        }
    }

    // A file that cannot be seen (a folder without rights, a broken link, a broken disk) is not one that is not there.
    private static bool IsThere(string path)
    {
        try
        {
            _ = File.GetAttributes(path);
            return true;
        }
        catch (Exception absence) when (absence is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{path}' cannot be looked at: {fault.Message}", fault);
        }
    }

    private JsonStore<UsbListFile> Document(string name) => new(_folder, name, UsbListContext.Default.UsbListFile);

    private UsbWhitelist Checked(string name, UsbListFile document)
    {
        try
        {
            _ = UsbListFile.TryVmOf(name, out string? vm);
            return document.ToWhitelist() with { Vm = vm };
        }
        catch (InvalidInputException fault) when (fault.ErrorId == ErrorIds.UsbRuleInvalid)
        {
            throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{_folder[name]}' holds no valid list: {fault.Message}", fault);
        }
    }
}
