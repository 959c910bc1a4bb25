using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>What the commands that convert images in their place have in common.</summary>
internal static class InPlace
{
    /// <summary>The secret that stands for the whole disk.</summary>
    public static SecretBuffer SecretOf(DiskKeys keys) => keys.Default
        ?? throw new InvalidInputException(ErrorIds.KeyRequired, "A conversion in place takes a passphrase or key file.");

    /// <summary>Runs a conversion, and says what is to be done where its user stops it.</summary>
    public static void Run(Action convert, DiskLocation location, ICommandHost shell)
    {
        try
        {
            convert();
        }
        catch (OperationCanceledException)
        {
            shell.WriteWarning(Stopped(location.Text));
            throw;
        }
    }

    public static string Stopped(string path) => $"{path}: stopped where nothing is lost; the same command or Resume-ImageUpdate goes on from there.";

    /// <summary>The image before a conversion, or half way; a detached header may still have to be made.</summary>
    public static async ValueTask<ImageDescription> DescribeAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await ImageInspector.DescribeAsync(location, options with { HeaderPath = File.Exists(options.HeaderPath) ? options.HeaderPath : null }, cancellationToken);
        }
        catch (InvalidImageException damage)
        {
            // Whether that is to be mended, or ends it, is for the conversion to say.
            return ImageInspector.Unreadable(location.Text, damage) with { Format = options.Format ?? ImageFormat.Raw };
        }
    }

    /// <summary>How the image is to be described when it is done: a raw disk, by nothing that its guest may have written.</summary>
    /// <param name="options">How it was opened.</param>
    /// <param name="before">What it was.</param>
    /// <param name="plain">It is not encrypted any more.</param>
    public static DiskOpenOptions Finished(DiskOpenOptions options, ImageDescription before, bool plain) => options with
    {
        HeaderPath = plain ? null : options.HeaderPath,
        Format = before.Format switch
        {
            ImageFormat.Vhdx or ImageFormat.Vhd => before.Format,
            ImageFormat.Raw or ImageFormat.Luks when plain || options.HeaderPath is not null => ImageFormat.Raw,
            _ => null,
        },
    };

    /// <summary>The same for every image of the backing chain.</summary>
    public static ChainOptions ChainOf(ReencryptionOptions layers, DiskOpenOptions opening, string[] folders, bool force, ICommandHost shell) => new()
    {
        Layers = layers,
        Format = opening.Format,
        References = ReferenceMode.Fenced.With(folders, shell),
        Force = force,
    };

    /// <summary>How a chain is to be described when it is done: each overlay names the format of what lies behind it.</summary>
    public static DiskOpenOptions Finished(ChainOptions chain) => DiskOpenOptions.Default with { Format = chain.Format, References = chain.References };
}
