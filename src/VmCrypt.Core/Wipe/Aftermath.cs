using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Wipe;

/// <summary>What is done with a target whose bytes are gone.</summary>
internal static class Aftermath
{
    private const int Renames = 3;
    private const long TrimStep = 1L << 30;

    /// <summary>Gives the name away before the file: each new name is as long as the old one, so that it takes its place in the folder.</summary>
    public static void Delete(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        int length = Path.GetFileName(path).Length;
        for (int i = 0; i < Renames; i++)
        {
            string next = Path.Combine(folder, RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", length));
            if (File.Exists(next) || Directory.Exists(next))
            {
                continue;
            }

            FilePlatform.Current.Rename(path, next, replace: false);
            FilePlatform.Current.FlushFolder(folder);
            path = next;
        }

        try
        {
            File.Delete(path);
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Deleting", path);
        }

        FilePlatform.Current.FlushFolder(folder);
    }

    public static async Task TrimAsync(IBlockDevice device, CancellationToken cancellationToken)
    {
        for (long at = 0; at < device.Length; at += TrimStep)
        {
            await device.TrimAsync(at, Math.Min(TrimStep, device.Length - at), cancellationToken);
        }

        await device.FlushAsync(cancellationToken);
    }
}
