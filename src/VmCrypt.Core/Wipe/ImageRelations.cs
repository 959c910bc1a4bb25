using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe;

/// <summary>Keeps images from being wiped on which others are built.</summary>
internal sealed class ImageRelations
{
    private readonly ImageUsers _users = new();

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeTargetIsBacking"/>, unless forced.</exception>
    public async Task RequireNoDependantsAsync(WipeRequest request, CancellationToken cancellationToken)
    {
        if (request.Force || TargetOpener.KindOf(request.Path) != TargetKind.File || !File.Exists(request.Path))
        {
            return;
        }

        string path = Path.GetFullPath(request.Path);
        // One that goes along depends on nothing any more.
        string[] living = await _users.OfAsync(path, request.Together, cancellationToken);
        if (living.Length > 0)
        {
            throw new RefusedException(ErrorIds.WipeTargetIsBacking,
                $"'{path}' is the backing or data file of {ImageUsers.Named(living)}; force the wipe to destroy those, too.");
        }
    }
}
