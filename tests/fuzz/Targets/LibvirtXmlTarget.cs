using VmCrypt.Core.Errors;
using VmCrypt.Core.Libvirt;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Definitions as libvirt, or whoever stands in its place, sends them: what can be written again is read as the same.</summary>
/// <remarks>The first byte chooses the kind.</remarks>
internal sealed class LibvirtXmlTarget : IFuzzTarget
{
    public string Name => "libvirt-xml";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "<disk type='file'>", "<disk type='network'>", "<source file='/a'/>", "<source protocol='nbd' name='x'>", "<source protocol='rbd' name='a/b'>", "<host name='h' port='1'/>",
        "<encryption format='luks'>", "<encryption format='qcow'>", "<secret type='passphrase' uuid='", "<secret usage='/a'/>", "<cipher name='aes' size='256'/>", "<target dev='vda' bus='virtio'/>",
        "<backingStore/>", "<backingStore type='file'>", "<volume>", "<name>", "<capacity unit='GiB'>", "<pool type='dir'>", "<pool type='iscsi'>", "<domain>", "<devices>", "<auth username='u'>",
        "</source>", "</disk>", "</encryption>", "</devices>", "</domain>", "<!DOCTYPE a [", "<!ENTITY e '&e;'>", "<![CDATA[", "&#0;", "&amp;", "xmlns='x'");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        string xml = Text.Of(input[1..]);
        switch (input[0] % 5)
        {
            case 0:
                RoundTrip(DiskDefinition.Parse(xml).ToXml(), text => DiskDefinition.Parse(text).ToXml());
                break;
            case 1:
                RoundTrip(VolumeDefinition.Parse(xml).ToXml(), text => VolumeDefinition.Parse(text).ToXml());
                break;
            case 2:
                RoundTrip(PoolDefinition.Parse(xml).ToXml(), text => PoolDefinition.Parse(text).ToXml());
                break;
            case 3:
                trace.Note("disks", DomainDefinition.Parse(xml).Disks.Length);
                break;
            default:
                _ = SecretDefinition.Parse(xml) ?? throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid, "A secret of no usage.");
                break;
        }

        trace.Note($"kind {input[0] % 5}", xml.Length);
    }

    private static void RoundTrip(string written, Func<string, string> again) =>
        DefectException.Unless(again(written) == written, "A definition is read as another than was written.");
}
