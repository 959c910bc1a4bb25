using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A guest at work on a qcow2 image. Of a sound image it must find afterwards what it wrote, and the tables must be sound.</summary>
/// <remarks>
/// The input is a script of 16 steps (4 bytes each: what, where as a fraction of the disk (2), how much) and the image. An image is
/// sound if our own check of its tables says so before the first step and all of it can be read.
/// </remarks>
internal sealed class Qcow2WriteTarget : IFuzzTarget
{
    private const int Steps = 16;
    private const int StepSize = 4;
    private const int ScriptSize = Steps * StepSize;

    public string Name => "qcow2-write";

    public IReadOnlyList<string> Samples => ["qcow2"];

    public int MaxLength => Qcow2Words.MaxLength;

    public IReadOnlyList<byte[]> Words => Qcow2Words.All;

    public IReadOnlyList<Field> Fields { get; } = [.. Qcow2Words.Fields(ScriptSize), .. Enumerable.Range(0, ScriptSize).Select(at => new Field(at, 1))];

    /// <summary>A script of every kind of step, from one end of the disk to the other.</summary>
    public byte[] FromSample(byte[] sample) =>
        [.. Enumerable.Range(0, Steps).SelectMany(step => new[] { (byte)step, (byte)(step * 16), (byte)step, (byte)(step * 15) }), .. sample];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.Length > ScriptSize)
        {
            Sync.Wait(RunAsync([.. input[..ScriptSize].ToArray().Chunk(StepSize)], input[ScriptSize..].ToArray(), trace));
        }
    }

    private static async Task RunAsync(byte[][] script, byte[] content, Trace trace)
    {
        bool sound = await IsSoundAsync(content);
        var file = new SparseDisk(content, content.Length, trace);
        byte[]? model;
        await using (IBlockDevice disk = AlignedDevice.Over(await OpenQcow2.OpenAsync(file, writable: true, trace)))
        {
            var guest = new ModelledGuest(disk, trace);
            sound = sound && await guest.TryModelAsync();
            trace.Note($"sound {sound}");
            try
            {
                foreach (byte[] step in script)
                {
                    await guest.StepAsync(step);
                }

                await disk.FlushAsync(default);
            }
            catch (VmCryptException refusal) when (sound)
            {
                throw new DefectException($"A sound image was refused with {refusal.ErrorId}. {refusal}");
            }

            await guest.CompareAsync(disk, "The disk does not hold what was written.");
            model = guest.Model;
        }

        if (sound)
        {
            await CheckAsync(file, model, trace);
        }
    }

    private static async Task<bool> IsSoundAsync(byte[] content)
    {
        try
        {
            await using var file = new MemoryDevice(content, writable: false);
            return await Qcow2Check.RunAsync(file, default) is { Corruptions: 0 };
        }
        catch (VmCryptException)
        {
            return false;
        }
    }

    private static async Task CheckAsync(SparseDisk file, byte[]? model, Trace trace)
    {
        Qcow2CheckResult check = await Qcow2Check.RunAsync(file, default);
        DefectException.Unless(check.Corruptions == 0, $"Writing broke a sound image. {string.Join(' ', check.Findings)}");
        await using Qcow2Image image = await OpenQcow2.OpenAsync(file, writable: false, trace);
        if (!image.Facts.HasDataFile)
        {
            await new ModelledGuest(image, trace) { Model = model }.CompareAsync(AlignedDevice.Over(image), "The image, opened again, does not hold what was written.");
        }
    }
}
