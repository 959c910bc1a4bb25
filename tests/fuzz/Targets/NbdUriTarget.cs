using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Stack;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Where a disk lies, as people write it; what was understood and written again must be understood in the same way.</summary>
internal sealed class NbdUriTarget : IFuzzTarget
{
    public string Name => "nbd-uri";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "nbd://", "nbd+unix://", "nbds://", "nbd:", "/", "?", "&", "#", "socket=", "localhost", "127.0.0.1", "[::1]", "[fe80::1%25eth0]", ":10809", ":0", ":65536",
        "%2F", "%00", "%ff", "%c3%a4", "%", "@", "\xc3\xa4", "xn--", "..", "\\");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        string text = Text.Of(input);
        trace.Note($"nbd {DiskLocation.IsNbdUri(text)}");
        NbdUri uri = NbdUri.Parse(text);
        trace.Note(uri.Address.GetType().Name, uri.Export.Length);
        DefectException.Unless(NbdText.IsValid(uri.Export), "The export's name is none that NBD can carry.");
        DefectException.Unless(NbdUri.Parse(uri.ToString()) == uri, $"The URI comes back as another. {uri}");
        _ = DiskLocation.Parse(text);
    }
}
