using VmCrypt.Core.Images;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>The findings of one layer: neighbours joined, so many of each kind kept, the others counted.</summary>
internal sealed class FindingList(string path)
{
    private readonly Dictionary<FindingKind, Open> _open = [];
    private readonly List<ProofFinding> _kept = [];

    public IReadOnlyList<ProofFinding> Kept => _kept;

    public long Omitted { get; private set; }

    public void Add(FindingKind kind, HostArea area, string? detail)
    {
        Open last = _open.GetValueOrDefault(kind);
        if (last.Area.Length > 0 && last.Detail == detail && last.Area.Joins(area))
        {
            last = last with { Area = last.Area with { Length = last.Area.Length + area.Length } };
            if (last.Index >= 0)
            {
                _kept[last.Index] = _kept[last.Index] with { Length = last.Area.Length };
            }
        }
        else
        {
            bool keep = last.Count < EncryptionProof.MaxFindings;
            Omitted += keep ? 0 : 1;
            last = new Open(area, detail, keep ? _kept.Count : -1, last.Count + 1);
            if (keep)
            {
                _kept.Add(new ProofFinding(path, kind, area.Offset, area.Length, area.Guest < 0 ? null : area.Guest, area.Use, detail));
            }
        }

        _open[kind] = last;
    }

    private readonly record struct Open(HostArea Area, string? Detail, int Index, long Count);
}
