using System.Xml.Linq;
using VmCrypt.Core.Libvirt;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Names and descriptions that go into a libvirt secret's XML: an XML parser must find them there as they were.</summary>
/// <remarks>The first byte chooses the usage; a line feed parts the name from the description.</remarks>
internal sealed class LibvirtSecretTarget : IFuzzTarget
{
    public string Name => "libvirt-secret";

    public IReadOnlyList<byte[]> Words { get; } =
        Text.Words("/var/lib/", "C:\\", "<", ">", "&amp;", "]]>", "<![CDATA[", "\"", "'", "\r", "\t", "\n", "\0", "\x1b", "\xef\xbf\xbf", "\xc2\x85", "\xe2\x80\xa8", "&#0;");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        string[] parts = Text.Of(input[1..]).Split('\n', 2);
        var usage = (SecretUsage)(input[0] % 6);
        var options = new SecretOptions { Description = parts.Length > 1 ? parts[1] : null, IsEphemeral = input[0] > 99 };
        XElement xml = XElement.Parse(new SecretDefinition(usage, parts[0], options).ToString(), LoadOptions.PreserveWhitespace);
        trace.Note($"{usage}", parts[0].Length);
        XElement named = xml.Element("usage")!.Elements().Single();
        DefectException.Unless(named.Value == parts[0], "The name comes back as another.");
        DefectException.Unless(xml.Element("description")?.Value == options.Description, "The description comes back as another.");
    }
}
