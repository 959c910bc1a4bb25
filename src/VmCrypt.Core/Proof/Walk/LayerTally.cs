using VmCrypt.Core.Block;
using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Adds up what the steps through a layer have found, in order.</summary>
internal sealed class LayerTally(ProofLayer layer, SectorMarks marks)
{
    private const int Sector = 512;

    private readonly ProofMap.Drawing _map = new(layer.File.Length);
    private readonly long[] _entropy = new long[(8 * LayerProof.EntropyStepsPerBit) + 1];

    public FindingList Findings { get; } = new(layer.Location.Text);

    public ProofBytes Bytes { get; private set; } = new();

    public string Map => _map.ToString();

    public long[] EntropyHistogram => _entropy;

    /// <summary>What did not need to be read.</summary>
    public void Skip(WalkStep step)
    {
        foreach (HostArea area in step.Areas)
        {
            (char state, FindingKind? flaw) = (step.Storage, area.Use) switch
            {
                (ExtentKind.Hole, var use) => (ProofMap.Hole, StepWorker.FlawOfZeros(use)),
                (ExtentKind.Zero, var use) => (ProofMap.Zero, StepWorker.FlawOfZeros(use)),
                (_, HostUse.EncryptionHeader) => (ProofMap.Header, null),
                (_, HostUse.Compressed) => (ProofMap.Plain, FindingKind.CompressedCluster),
                _ => (ProofMap.Metadata, null),
            };
            Add(new StateRun(area, state, 0, flaw, null));
        }
    }

    public void Add(StepResult result)
    {
        foreach (StateRun run in result.Runs)
        {
            Add(run);
        }

        for (int step = 0; step < _entropy.Length; step++)
        {
            _entropy[step] += result.Entropy[step];
        }

        Bytes = Bytes with { Decrypted = Bytes.Decrypted + result.Decrypted, Structured = Bytes.Structured + result.Structured };
        foreach (SectorMark mark in result.Marks)
        {
            if (marks.Add(mark) is { } first)
            {
                Findings.Add(FindingKind.RepeatedSector, new HostArea(mark.Host, Sector, mark.Use, mark.Guest), $"as at {first.Host}");
            }
        }
    }

    public void NoteDefects()
    {
        foreach (string defect in layer.Defects)
        {
            Findings.Add(FindingKind.TableDefect, new HostArea(0, 0, HostUse.Metadata), defect);
        }
    }

    private void Add(in StateRun run)
    {
        _map.Paint(run.Area.Offset, run.Area.Length, run.State);
        Bytes += Count(run.State, run.Area.Length - run.Zeros) with { Zero = run.State == ProofMap.Zero ? run.Area.Length : run.Zeros };
        if (run.Flaw is { } flaw)
        {
            Findings.Add(flaw, run.Area, run.Detail);
        }
    }

    private static ProofBytes Count(char state, long bytes) => state switch
    {
        ProofMap.Ciphertext => new ProofBytes { Ciphertext = bytes },
        ProofMap.Plain => new ProofBytes { Plain = bytes },
        ProofMap.Weak => new ProofBytes { Weak = bytes },
        ProofMap.Hole => new ProofBytes { Hole = bytes },
        ProofMap.Header => new ProofBytes { Header = bytes },
        ProofMap.Metadata => new ProofBytes { Metadata = bytes },
        ProofMap.Unchecked => new ProofBytes { Unchecked = bytes },
        _ => new ProofBytes(),
    };
}
