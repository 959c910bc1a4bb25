using VmCrypt.Core.Images;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Asks an image what its file is made of, and expects every byte once.</summary>
internal static class HostMapReader
{
    private const int MaxAreas = 20_000;

    public static async Task ReadAsync(IHostMapped image, long length, Trace trace)
    {
        HostMap map = await image.MapHostAsync(default);
        trace.Note("defects", map.Defects.Count);
        long at = 0;
        int areas = 0;
        foreach (HostArea area in map.Areas)
        {
            DefectException.Unless(area.Offset == at && area.Length > 0, "The map of the file has a gap, an overlap or an empty area.");
            at = area.End;
            trace.Note($"area {area.Use}", area.Length);
            if (++areas == MaxAreas)
            {
                return;
            }
        }

        DefectException.Unless(at == length, "The map of the file does not end at its end.");
    }
}
