using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>Keeps an image from being converted alone on which others are built, which are not told.</summary>
internal static class LayerUsers
{
    /// <param name="options">Of the conversion.</param>
    /// <param name="mode">Encrypts or decrypts: another key alone changes nothing for who has the passphrase.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LayerHasOtherUsers"/>, unless forced.</exception>
    public static async ValueTask RequireNoneAsync(ReencryptionOptions options, ReencryptionMode mode, CancellationToken cancellationToken)
    {
        if (options.Force || options.Location.IsNbd || !File.Exists(options.Location.Text))
        {
            return;
        }

        string path = Path.GetFullPath(options.Location.Text);
        string[] users = await new ImageUsers().OfAsync(path, [], cancellationToken);
        if (users.Length > 0)
        {
            throw new RefusedException(ErrorIds.LayerHasOtherUsers,
                $"'{path}' is the backing or data file of {ImageUsers.Named(users)}, which would "
                + (mode == ReencryptionMode.Encrypt ? "need its key from then on, and read noise where they call it raw" : "look for an encrypted image there")
                + "; convert the whole chain with -Chain, or force the conversion to accept that.");
        }
    }
}
