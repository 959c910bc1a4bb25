using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Qemu;

/// <summary>A command on the value of a QEMU secret.</summary>
public abstract class QemuSecretCmdlet : VmCryptCmdlet
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The value; asked for where none is given.</summary>
    [Parameter]
    public SecureString? Passphrase { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? KeyFile { get; set; }

    /// <summary>The value that was given or is asked for, owned by the caller.</summary>
    private protected SecretBuffer RequireValue() => new SecretSource
    {
        Passphrase = Passphrase,
        KeyFile = KeyFile is null ? null : new KeyFile(Shell.ResolveNewPath(KeyFile), Offset: 0, Size: null),
    }.Read() ?? SecretPrompts.Ask(Shell, "Secret");

    /// <summary>The master secret in a file, owned by the caller.</summary>
    private protected SecretBuffer ReadMaster(string path) => ReadMaster(Shell, path);

    internal static SecretBuffer ReadMaster(ICommandHost shell, string path)
    {
        using SecretBuffer content = new KeyFile(shell.ResolveNewPath(path), Offset: 0, Size: null).Read();
        return QemuSecrets.ReadMaster(content);
    }

    /// <summary>Writes a value into a file that is its owner's alone from the first byte on.</summary>
    internal static void WriteFile(string path, SecretBuffer value, bool replace)
    {
        try
        {
            if (replace)
            {
                File.Delete(path);
            }

            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = OwnerOnly;
            }

            using var file = new FileStream(path, options);
            file.Write(value.Span);
        }
        catch (IOException fault) when (File.Exists(path))
        {
            throw new RefusedException(ErrorIds.FileExists, $"The file '{path}' exists; it is replaced only when asked for.", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{path}' cannot be written: {fault.Message}", fault);
        }
    }
}
