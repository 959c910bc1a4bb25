using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>What was just made is opened as what it is, not as what its content looks like.</summary>
internal static class NewImages
{
    public static DiskOpenOptions OpenOptions(DiskTarget target, NewDisk plan) => new()
    {
        Format = plan is { Format: ImageFormat.Raw, Encryption: not null } && target.HeaderPath is null ? ImageFormat.Luks : plan.Format,
        HeaderPath = target.HeaderPath,
    };
}
