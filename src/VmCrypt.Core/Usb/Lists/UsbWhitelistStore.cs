using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
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
        UsbListFile Changed(UsbListFile document) => UsbListFile.From(new UsbWhitelist { Vm = vm, Rules = change(Checked(name, document).Rules) });
        if (await HostDatabase.OfAsync(_parent, cancellationToken) is { } database)
        {
            var shared = new SharedDocument<UsbListFile>(database, UsbListMirror.Prefix + name, UsbListContext.Default.UsbListFile);
            UsbListFile agreed = await shared.UpdateAsync(Changed, cancellationToken);
            return (await Document(name).UpdateAsync(_ => agreed, cancellationToken)).ToWhitelist();
        }

        return (await Document(name).UpdateAsync(Changed, cancellationToken)).ToWhitelist();
    }

    /// <summary>Takes a list away; its VM falls back to the default list.</summary>
    /// <returns>False where there was none.</returns>
    public async Task<bool> RemoveAsync(string? vm, CancellationToken cancellationToken)
    {
        string name = UsbListFile.NameOf(vm);
        if (await HostDatabase.OfAsync(_parent, cancellationToken) is { } database)
        {
            bool shared = await SharedDocuments.RemoveAsync(database, UsbListMirror.Prefix + name, cancellationToken);
            return await RemoveFileAsync(name, cancellationToken) || shared;
        }

        return await RemoveFileAsync(name, cancellationToken);
    }

    /// <summary>Makes the files here those of the database, where the host has one.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DatabaseUnavailable"/>: the files are as they were.</exception>
    public async Task SynchroniseAsync(CancellationToken cancellationToken)
    {
        if (await HostDatabase.OfAsync(_parent, cancellationToken) is { } database)
        {
            await UsbListMirror.SynchroniseAsync(this, database, cancellationToken);
        }
    }

    /// <summary>Puts a file there as it is: one that is no valid list allows nothing.</summary>
    internal async Task WriteFileAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        Create();
        using FileLock gate = await FileLock.TakeAsync(_folder[name], s_patience, cancellationToken);
        await using PendingFile pending = await PendingFile.CreateAsync(_folder[name], new FileCreateOptions { Length = content.Length }, replace: true, cancellationToken);
        await pending.Device.WriteAsync(0, content, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }

    /// <summary>The files of lists that are here, with their content.</summary>
    internal IEnumerable<(string Name, byte[] Content)> Files() => !Directory.Exists(Path) ? [] :
        Directory.EnumerateFiles(Path).Select(path => (Name: System.IO.Path.GetFileName(path), Path: path))
            .Where(file => UsbListFile.TryVmOf(file.Name, out _)).Select(file => (file.Name, File.ReadAllBytes(file.Path)));

    internal ValueTask<HostDatabase?> DatabaseAsync(CancellationToken cancellationToken) => new(HostDatabase.OfAsync(_parent, cancellationToken));

    internal async Task<bool> RemoveFileAsync(string name, CancellationToken cancellationToken)
    {
        string path = _folder[name];
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
