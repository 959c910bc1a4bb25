using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images;

/// <summary>What shows through where the image has nothing: the backing image, then zeros. Owns the backing image once it is attached.</summary>
/// <param name="path">As the header names it; null if it names none.</param>
internal sealed class BackingLayer(string? path) : IAsyncDisposable
{
    private IBlockDevice? _device;

    public bool IsAttached => _device is not null;

    /// <summary>Where zeros begin. A backing image that was not attached may be of any length.</summary>
    public long Length => _device?.Length ?? (path is null ? 0 : long.MaxValue);

    public void Attach(IBlockDevice device) => _device = device;

    /// <exception cref="MissingException"><see cref="ErrorIds.ImageBackingNotAttached"/>.</exception>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int shown = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        if (shown > 0)
        {
            await Require().ReadAsync(offset, buffer[..shown], cancellationToken);
        }

        buffer[shown..].Span.Clear();
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.ImageBackingNotAttached"/>.</exception>
    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        count == 0 ? AsyncEnumerable.Empty<Extent>() : Require().ExtentsAsync(offset, count, cancellationToken);

    public ValueTask DisposeAsync() => _device?.DisposeAsync() ?? ValueTask.CompletedTask;

    private IBlockDevice Require() => _device
        ?? throw new MissingException(ErrorIds.ImageBackingNotAttached, $"The image needs its backing file '{path}', which was not opened.");
}
