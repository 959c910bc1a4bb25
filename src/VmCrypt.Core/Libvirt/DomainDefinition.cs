using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>A domain, as far as its disks go; all else in it stays as it is.</summary>
public sealed class DomainDefinition
{
    private readonly XElement _xml;

    private DomainDefinition(XElement xml)
    {
        _xml = xml;
        Name = xml.Element("name")?.Value ?? throw LibvirtXml.Invalid("the domain has no <name>");
        Uuid = xml.Element("uuid") is { } uuid ? LibvirtXml.Uuid(uuid.Value) : null;
        Disks = [.. Elements.Select(DiskDefinition.Parse)];
    }

    public string Name { get; }

    /// <summary>Null in a definition that libvirt has not seen yet.</summary>
    public Guid? Uuid { get; }

    /// <summary>The definition is that of a domain as it runs; libvirt numbers those.</summary>
    public bool IsRunning => _xml.Attribute("id") is not null;

    public DiskDefinition[] Disks { get; }

    /// <summary>The images of all disks, those behind the active ones included.</summary>
    internal IEnumerable<DiskImage> Images => Disks.SelectMany(disk => disk.Image.Chain);

    private IEnumerable<XElement> Elements => _xml.Element("devices")?.Elements("disk") ?? [];

    /// <summary>Reads what <c>virsh dumpxml</c> prints.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static DomainDefinition Parse(string xml) => new(LibvirtXml.Parse(xml, "domain"));

    /// <summary>The disk whose target is <paramref name="target"/>.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.VmDiskMissing"/>.</exception>
    public DiskDefinition Disk(string target) => Disks.FirstOrDefault(disk => disk.Target == target)
        ?? throw new MissingException(ErrorIds.VmDiskMissing,
            $"The domain {Name} has no disk {target}; it has {string.Join(", ", Disks.Select(disk => disk.Target).DefaultIfEmpty("none"))}.");

    /// <summary>The <c>&lt;disk&gt;</c> at <paramref name="target"/> as it is.</summary>
    internal string DiskXml(string target) => LibvirtXml.Write(Element(target));

    /// <summary>The same <c>&lt;disk&gt;</c> made of another image; its place in the guest, its tuning and all that is unknown here stay.</summary>
    internal string SwitchedDiskXml(string target, DiskImage image)
    {
        var disk = new XElement(Element(target));
        disk.Elements("source").Remove();
        disk.Elements("encryption").Remove();
        disk.Elements("auth").Remove();
        disk.Elements("backingStore").Remove();
        disk.SetAttributeValue("type", image.Source!.Type);
        if (disk.Element("driver") is not { } driver)
        {
            driver = new XElement("driver", new XAttribute("name", "qemu"));
            disk.AddFirst(driver);
        }

        driver.SetAttributeValue("type", image.Format);
        driver.AddAfterSelf(image.Source.ToXml(), DiskDefinition.BackingXml(image));
        return LibvirtXml.Write(disk);
    }

    private XElement Element(string target) => Elements.ElementAt(Array.IndexOf(Disks, Disk(target)));
}
