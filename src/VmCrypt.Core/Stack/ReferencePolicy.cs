using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>Which files an image may make us open by naming them.</summary>
public enum ReferenceMode
{
    /// <summary>Files in the image's own folder and below it, and in the folders that the caller adds.</summary>
    Fenced,

    /// <summary>None: an image with a backing or data file is refused.</summary>
    Never,

    /// <summary>Any local file. For images that nobody hostile can have written.</summary>
    Any,
}

/// <summary>The one place where a path that an image names becomes a path that we open.</summary>
/// <param name="AllowedFolders">Further folders whose files may be used under <see cref="ReferenceMode.Fenced"/>.</param>
public sealed record ReferencePolicy(ReferenceMode Mode = ReferenceMode.Fenced, IReadOnlyList<string>? AllowedFolders = null)
{
    private const int MaxLinks = 40;

    public static ReferencePolicy Default { get; } = new();

    /// <summary>Turns <paramref name="reference"/>, as the image <paramref name="owner"/> names it, into a full path.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ReferenceNotFollowed"/>, <see cref="ErrorIds.PathFenced"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ReferenceUnsupported"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.ReferencedFileMissing"/>.</exception>
    public string Resolve(string reference, DiskLocation owner)
    {
        if (Mode == ReferenceMode.Never)
        {
            throw new RefusedException(ErrorIds.ReferenceNotFollowed,
                $"The image {owner} names the file '{reference}', and other files were not to be opened.");
        }

        string path = Path.GetFullPath(LocalPath(reference, owner), owner.Folder!);
        if (Mode == ReferenceMode.Fenced && !IsFenced(path, owner))
        {
            throw new RefusedException(ErrorIds.PathFenced,
                $"The image {owner} names the file '{reference}', which leads out of its own folder; allow the folder by name to use it.");
        }

        return File.Exists(path)
            ? path
            : throw new MissingException(ErrorIds.ReferencedFileMissing, $"The image {owner} needs the file {path}, which does not exist.");
    }

    private static string LocalPath(string reference, DiskLocation owner)
    {
        string path = reference.StartsWith("file:", StringComparison.Ordinal) ? reference["file:".Length..] : reference;
        bool hasProtocol = path.IndexOf(':', StringComparison.Ordinal) is var colon and > 1
            && path.AsSpan(0, colon).IndexOfAny('/', '\\') < 0;
        if (owner.Folder is null || hasProtocol || path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new UnsupportedFeatureException(ErrorIds.ReferenceUnsupported,
                $"The image {owner} names its backing or data file as '{reference}'; only paths of local files are followed.");
        }

        return path;
    }

    // Links are followed first: a link inside the folder that leads out of it is out of it.
    private bool IsFenced(string path, DiskLocation owner)
    {
        string target = RealPath(path);
        IEnumerable<string> folders = [owner.Folder!, .. AllowedFolders ?? []];
        return folders.Select(folder => RealPath(Path.GetFullPath(folder)))
            .Any(folder => target.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal));
    }

    /// <summary>A full path without links. Walks it as the kernel does: a link's own ".." counts from where the link leads, not from its text.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.PathFenced"/>: too many links.</exception>
    internal static string RealPath(string path)
    {
        string real = Path.GetPathRoot(path)!;
        var rest = new Stack<string>(Names(path[real.Length..]));
        for (int links = 0; rest.TryPop(out string? name);)
        {
            string step = name == ".." ? Path.GetDirectoryName(real) ?? real : Path.Combine(real, name);
            if (name == ".." || new FileInfo(step).LinkTarget is not { } target)
            {
                real = step;
                continue;
            }

            if (++links > MaxLinks)
            {
                throw new RefusedException(ErrorIds.PathFenced, $"The path {path} leads through more than {MaxLinks} symbolic links.");
            }

            string targetRoot = Path.GetPathRoot(target)!;
            real = targetRoot.Length > 0 ? targetRoot : real;
            foreach (string part in Names(target[targetRoot.Length..]))
            {
                rest.Push(part);
            }
        }

        return real;
    }

    /// <summary>The names of a path in the order in which a stack wants them: last first.</summary>
    private static IEnumerable<string> Names(string path) => path
        .Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)
        .Where(name => name != ".")
        .Reverse();
}
