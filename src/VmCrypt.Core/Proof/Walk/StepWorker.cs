using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Proof.Content;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Reads one step after the other and judges it block by block. Not for several threads at once.</summary>
internal sealed class StepWorker(ProofLayer layer, SectorMarks marks, SampleChoice samples)
{
    private const int Sector = 512;
    private const int Block = BlockJudge.BlockSize;

    // Fewer blocks say nothing that they do not say one by one.
    private const int LeastForBias = 16;

    private readonly BlockJudge _judge = new();
    private readonly KeyTrial? _trial = layer.Key is { } key ? new KeyTrial(key) : null;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(WalkStep.MaxBytes, pinned: true);
    private readonly uint[] _together = new uint[ByteCounts.Values];
    private int _togetherBytes;

    public async ValueTask<StepResult> RunAsync(WalkStep step, CancellationToken cancellationToken)
    {
        Memory<byte> bytes = _buffer.AsMemory(0, step.Length);
        var result = new StepResult();
        Array.Clear(_together);
        _togetherBytes = 0;
        try
        {
            await layer.File.ReadAsync(step.Offset, bytes, cancellationToken);
            JudgeAll(step, bytes.Span, result);
        }
        catch (DeviceFaultException)
        {
            await RunByBlockAsync(step, result, cancellationToken);
        }

        return IsBiased() ? Biased(result) : result;
    }

    private void JudgeAll(WalkStep step, ReadOnlySpan<byte> bytes, StepResult result)
    {
        foreach (HostArea part in BlocksOf(step))
        {
            Judge(part, bytes.Slice((int)(part.Offset - step.Offset), (int)part.Length), result);
        }
    }

    // A bad sector shall not hide its neighbours.
    private async ValueTask RunByBlockAsync(WalkStep step, StepResult result, CancellationToken cancellationToken)
    {
        foreach (HostArea part in BlocksOf(step))
        {
            Memory<byte> block = _buffer.AsMemory(0, (int)part.Length);
            try
            {
                await layer.File.ReadAsync(part.Offset, block, cancellationToken);
                Judge(part, block.Span, result);
            }
            catch (DeviceFaultException fault)
            {
                result.Add(new StateRun(part, ProofMap.Unchecked, 0, FindingKind.Unreadable, fault.ErrorId));
            }
        }
    }

    private static IEnumerable<HostArea> BlocksOf(WalkStep step)
    {
        foreach (HostArea area in step.Areas)
        {
            for (long at = 0; at < area.Length; at += Block)
            {
                yield return area.From(at) with { Length = Math.Min(Block, area.Length - at) };
            }
        }
    }

    private void Judge(HostArea part, ReadOnlySpan<byte> block, StepResult result)
    {
        BlockVerdict verdict = _judge.Judge(block);
        if (verdict.Zeros == block.Length)
        {
            result.Add(new StateRun(part, ProofMap.Zero, verdict.Zeros, FlawOfZeros(part.Use), null));
            return;
        }

        result.Entropy[(int)(verdict.Entropy * LayerProof.EntropyStepsPerBit)]++;
        if (verdict.Flaw is { } flaw)
        {
            result.Add(RunOf(part, block, verdict, flaw));
            return;
        }

        if (part.Use == HostUse.KeyMaterial)
        {
            result.Add(new StateRun(part, ProofMap.Header, verdict.Zeros, null, null));
            return;
        }

        _judge.Counts.AddTo(_together);
        _togetherBytes += _judge.Counts.Bytes;
        Mark(part, block, result.Marks);
        bool agrees = _trial is null || !samples.Includes(part.Offset, part.Guest) || _trial.Agrees(part, block, result);
        result.Add(agrees
            ? new StateRun(part, ProofMap.Ciphertext, verdict.Zeros, null, null)
            : new StateRun(part, ProofMap.Unchecked, verdict.Zeros, FindingKind.KeyMismatch, null));
    }

    /// <summary>A slot in use is nowhere empty.</summary>
    public static FindingKind? FlawOfZeros(HostUse use) => use == HostUse.KeyMaterial ? FindingKind.KeyMaterial : null;

    private StateRun RunOf(HostArea part, ReadOnlySpan<byte> block, BlockVerdict verdict, FindingKind flaw) => part.Use switch
    {
        HostUse.KeyMaterial => new StateRun(part, ProofMap.Header, verdict.Zeros, FindingKind.KeyMaterial, null),
        // Tables that were moved or dropped stay in the clusters that they had.
        HostUse.Unused or HostUse.Tail when layer.ClusterSize > 0 && TableRemnant.Is(block, layer.ClusterSize, layer.File.Length) =>
            new StateRun(part, ProofMap.Metadata, verdict.Zeros, null, null),
        _ => new StateRun(part, flaw == FindingKind.RepeatedBlocks ? ProofMap.Weak : ProofMap.Plain, verdict.Zeros, flaw, verdict.Name),
    };

    // Optimised from the first call on: a disk is over before the runtime would come back to it.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Mark(HostArea part, ReadOnlySpan<byte> block, List<SectorMark> found)
    {
        for (int at = 0; at + Sector <= block.Length; at += Sector)
        {
            ulong low = MemoryMarshal.Read<ulong>(block[at..]);
            ulong high = MemoryMarshal.Read<ulong>(block[(at + sizeof(ulong))..]);
            ulong start = SectorMarks.StartOf(low, high);
            if (marks.Wants(start) && (low | high) != 0 && marks.Tells(part))
            {
                HostArea sector = part.From(at);
                found.Add(new SectorMark(start, sector.Offset, sector.Guest, sector.Use));
            }
        }
    }

    private bool IsBiased()
    {
        long squares = 0;
        foreach (uint count in _together)
        {
            squares += (long)count * count;
        }

        return _togetherBytes >= LeastForBias * Block && !UniformityTest.Passes(squares, _togetherBytes);
    }

    private static StepResult Biased(StepResult passed)
    {
        var result = new StepResult { Decrypted = passed.Decrypted, Structured = passed.Structured };
        passed.Entropy.CopyTo(result.Entropy, 0);
        foreach (StateRun run in passed.Runs)
        {
            result.Add(run.State == ProofMap.Ciphertext ? run with { State = ProofMap.Plain, Flaw = FindingKind.Biased } : run);
        }

        return result;
    }
}
