namespace VmCrypt.Bench;

/// <summary>Measures us and the peers side by side: <c>dotnet run -c Release --project tests/bench -- [area …]</c>.</summary>
internal static class Program
{
    private static readonly IBench[] s_areas =
        [new CryptoBench(), new DiskBench(), new InPlaceBench(), new KeyStoreBench(), new NbdBench(), new NbdTlsBench(), new ProofBench(), new Qcow2InPlaceBench(), new UsbBench(), new WipeBench()];

    public static int Main(string[] arguments)
    {
        IBench[] chosen = arguments.Length == 0
            ? s_areas
            : [.. s_areas.Where(area => arguments.Contains(area.Name, StringComparer.OrdinalIgnoreCase))];
        if (chosen.Length == 0)
        {
            Console.Error.WriteLine($"Areas: {string.Join(", ", s_areas.Select(area => area.Name))}.");
            return 2;
        }

        Console.WriteLine(Figure.Heading);
        try
        {
            foreach (Figure figure in chosen.SelectMany(area => area.Run()))
            {
                Console.WriteLine(figure);
            }
        }
        finally
        {
            Array.ForEach([.. chosen.OfType<IDisposable>()], area => area.Dispose());
        }

        return 0;
    }
}
