using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Stack;

/// <summary>One image of a backing chain, described alone.</summary>
/// <param name="Location">Where it lies.</param>
/// <param name="Named">The format that its overlay names, or the caller for the active image; null where nobody does.</param>
/// <param name="Image">What it is.</param>
internal sealed record ChainImage(DiskLocation Location, ImageFormat? Named, ImageDescription Image);

/// <summary>The images of a backing chain, also where one of them is being converted in its place, so that the chain cannot be opened.</summary>
internal static class BackingChain
{
    /// <summary>The active image first.</summary>
    /// <param name="active">Its active image.</param>
    /// <param name="options">Its format, and which files may be followed.</param>
    /// <param name="converting">The chain is being converted: a base that its overlay calls LUKS may be plain.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.BackingChainInvalid"/>, or the id of a damaged header.</exception>
    public static async ValueTask<List<ChainImage>> DescribeAsync(
        DiskLocation active, DiskOpenOptions options, bool converting, CancellationToken cancellationToken)
    {
        options = options with { HeadersOnly = true };
        var chain = new List<ChainImage> { await DescribeAsync(active, options.Format, options, converting, cancellationToken) };
        while (chain[^1].Image.Qcow2?.Backing is { } backing)
        {
            DiskLocation owner = chain[^1].Location;
            DiskLocation next = DiskLocation.Parse(options.References.Resolve(backing.Path, owner));
            if (chain.Count == StackOpener.MaxImages || chain.Exists(layer => layer.Location.Text == next.Text))
            {
                throw StackOpener.EndlessChain(next);
            }

            chain.Add(await DescribeAsync(next, StackOpener.FormatOf(backing, owner), options, converting, cancellationToken));
        }

        return chain;
    }

    private static async ValueTask<ChainImage> DescribeAsync(
        DiskLocation location, ImageFormat? named, DiskOpenOptions options, bool converting, CancellationToken cancellationToken)
    {
        ImageFormat? format = converting && named == ImageFormat.Luks && !await BeginsAsLuksAsync(location, cancellationToken) ? ImageFormat.Raw : named;
        return new ChainImage(location, named, await ImageInspector.DescribeAsync(location, options with { Format = format }, cancellationToken));
    }

    private static async ValueTask<bool> BeginsAsLuksAsync(DiskLocation location, CancellationToken cancellationToken)
    {
        await using IBlockDevice storage = await StorageOpener.OpenAsync(location, writable: false, forceShare: true, cancellationToken);
        return await FormatProbe.RecogniseAsync(storage, cancellationToken) == ImageFormat.Luks;
    }
}
