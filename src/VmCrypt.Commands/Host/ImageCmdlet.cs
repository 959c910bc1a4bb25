using System.Management.Automation;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>A command that works on images, one after the other.</summary>
public abstract class ImageCmdlet : VmCryptCmdlet
{
    private const string PathSet = "Path";
    private const string LiteralPathSet = "LiteralPath";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>The outermost layer; null to recognise it.</summary>
    [Parameter]
    public ImageFormat? Format { get; set; }

    /// <summary>Null or empty where the header is part of the image.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? DetachedHeader { get; set; }

    /// <summary>How the parameters above say that the image is to be opened.</summary>
    private protected DiskOpenOptions OpenOptions => new()
    {
        Format = Format,
        HeaderPath = HeaderPath,
    };

    /// <summary>The detached header of the image at hand.</summary>
    private protected virtual string? HeaderPath => string.IsNullOrEmpty(DetachedHeader) ? null : Shell.ResolveNewPath(DetachedHeader);

    /// <summary>What the parameters name, each to be resolved to images.</summary>
    private protected virtual string[] Given => Shell.ParameterSet == LiteralPathSet ? LiteralPath : Path;

    private protected abstract void ProcessImage(DiskLocation location);

    /// <summary>What one given path stands for; a command that makes images has no wildcards to match.</summary>
    private protected virtual IReadOnlyList<string> Resolve(string path) => Shell.ResolvePaths(path, literal: Shell.ParameterSet == LiteralPathSet);

    /// <summary>Works on one image.</summary>
    private protected virtual void Take(string found) => ProcessImage(DiskLocation.Parse(found));

    private protected sealed override void Process()
    {
        foreach (string path in Given)
        {
            Attempt(path, () =>
            {
                foreach (string found in Resolve(path))
                {
                    Attempt(found, () => Take(found));
                }
            });
        }
    }
}
