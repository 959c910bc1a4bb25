using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>QEMU's own refusals as ours.</summary>
internal static class QemuRefusal
{
    /// <summary>The class of refusals that name a device which is not there (any more).</summary>
    private const string DeviceNotFound = nameof(DeviceNotFound);

    /// <returns><see cref="MissingException"/> for a device that is not there, else <see cref="RefusedException"/>; both with <see cref="ErrorIds.MonitorRefused"/>.</returns>
    public static VmCryptException From(string errorClass, string description) => errorClass == DeviceNotFound
        ? new MissingException(ErrorIds.MonitorRefused, $"QEMU: {description}")
        : new RefusedException(ErrorIds.MonitorRefused, $"QEMU: {description}");
}
