using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Conversion;

/// <summary>Copies a disk into a new image of any layout; the image appears when it is complete.</summary>
public static class ImageConversion
{
    /// <param name="source">The plain disk.</param>
    /// <param name="target">Where the image goes.</param>
    /// <param name="plan">What the image shall be; its size is at least the source's.</param>
    /// <param name="passphrase">Of the first key slot; borrowed. Null for a plain image.</param>
    /// <param name="options">How to copy; whether the target reads as zeros follows from the plan.</param>
    /// <param name="progress">Told of every piece; null for nobody.</param>
    /// <param name="cancellationToken">Cancels; nothing is left behind (of a file).</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>, <see cref="ErrorIds.DeviceOverwriteRefused"/>.</exception>
    public static async ValueTask<CopyResult> ConvertAsync(
        IBlockDevice source, DiskTarget target, NewDisk plan, SecretBuffer? passphrase,
        CopyOptions options, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        var result = new CopyResult(0, 0);
        await DiskFile.CreateAsync(target, plan, passphrase, FillAsync, cancellationToken);
        return result;

        async ValueTask FillAsync(BuiltDisk built, CancellationToken token)
        {
            // The disk may end later than its source, if only by the rest of a sector: what no copy reaches is not to be noise.
            if (!built.ReadsAsZeros && plan.RoundedSize > source.Length)
            {
                await built.Device.ZeroAsync(source.Length, plan.RoundedSize - source.Length, ZeroFlags.None, token);
            }

            result = await DeviceCopy.CopyAsync(source, built.Device, options with { TargetReadsAsZeros = built.ReadsAsZeros }, progress, token);
        }
    }
}
