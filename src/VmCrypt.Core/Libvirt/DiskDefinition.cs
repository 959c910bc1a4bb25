using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>The bus that a disk hangs on in the guest.</summary>
public enum DiskBus
{
    Virtio,
    Scsi,
    Sata,
    Ide,
    Usb,
    Fdc,
    Sd,
    Xen,
}

/// <summary>How the host's page cache is used.</summary>
public enum DiskCache
{
    Default,
    None,
    Writeback,
    Writethrough,
    Directsync,

    /// <summary>Flushes of the guest are ignored.</summary>
    Unsafe,
}

public enum DiskDiscard
{
    Ignore,
    Unmap,
}

public enum DiskDetectZeroes
{
    Off,
    On,
    Unmap,
}

public enum DiskIO
{
    Threads,
    Native,

    [Spelled("io_uring")]
    IOUring,
}

/// <summary>One image of a disk: the active one, or one that stands behind it.</summary>
public sealed record DiskImage
{
    /// <summary>Null for a drive without a medium.</summary>
    public DiskSource? Source { get; init; }

    /// <summary><c>raw</c>, <c>qcow2</c>, …; a LUKS disk is raw with an encryption.</summary>
    public string? Format { get; init; }

    /// <summary>The image behind this one, where the definition names it.</summary>
    public DiskImage? Backing { get; init; }

    /// <summary>The definition says that nothing stands behind; where it says nothing, libvirt asks the image itself.</summary>
    public bool IsLast { get; init; }

    /// <summary>The secrets of libvirt that open this image; those behind it have their own.</summary>
    internal SecretReference[] Secrets => Source?.Encryption?.Secrets ?? [];

    /// <summary>This image and those behind it.</summary>
    internal IEnumerable<DiskImage> Chain
    {
        get
        {
            for (DiskImage? image = this; image is not null; image = image.Backing)
            {
                yield return image;
            }
        }
    }
}

/// <summary>A disk of a domain.</summary>
public sealed partial record DiskDefinition
{
    public required DiskImage Image { get; init; }

    /// <summary>The name that the guest's device is ordered by, such as <c>vda</c>.</summary>
    public required string Target { get; init; }

    /// <summary>Null lets libvirt guess it from <see cref="Target"/>.</summary>
    public DiskBus? Bus { get; init; }

    /// <summary>disk, cdrom, floppy, lun.</summary>
    public string Device { get; init; } = "disk";

    public DiskCache? Cache { get; init; }

    public DiskDiscard? Discard { get; init; }

    public DiskDetectZeroes? DetectZeroes { get; init; }

    public DiskIO? IO { get; init; }

    /// <summary>The number of the I/O thread that serves the disk; only of virtio disks.</summary>
    public int? IOThread { get; init; }

    /// <summary>What the guest sees as the disk's serial number.</summary>
    public string? Serial { get; init; }

    public bool ReadOnly { get; init; }

    public bool Shareable { get; init; }

    /// <summary>Reads a <c>&lt;disk&gt;</c>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static DiskDefinition Parse(string xml) => Parse(LibvirtXml.Parse(xml, "disk"));

    internal static DiskDefinition Parse(XElement disk)
    {
        XElement? driver = disk.Element("driver");
        XElement target = disk.Element("target") ?? throw LibvirtXml.Invalid("a <disk> has no <target>");
        return new DiskDefinition
        {
            Image = ParseImage(disk, driver?.Text("type")),
            Target = target.Require("dev"),
            Bus = target.Choice<DiskBus>("bus"),
            Device = disk.Text("device") ?? "disk",
            Cache = driver?.Choice<DiskCache>("cache"),
            Discard = driver?.Choice<DiskDiscard>("discard"),
            DetectZeroes = driver?.Choice<DiskDetectZeroes>("detect_zeroes"),
            IO = driver?.Choice<DiskIO>("io"),
            IOThread = driver?.Text("iothread") is { } thread ? Number(thread) : null,
            Serial = disk.Element("serial")?.Value,
            ReadOnly = disk.Element("readonly") is not null,
            Shareable = disk.Element("shareable") is not null,
        };
    }

    /// <summary>The XML, indented, without a declaration.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtDefinitionInvalid"/>: libvirt would refuse a part.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LegacyEncryptionRefused"/>.</exception>
    public string ToXml() => LibvirtXml.Write(ToElement());

    public override string ToString() => $"{Target}: {Image.Source}";

    internal XElement ToElement()
    {
        RequireValid();
        return new XElement("disk", new XAttribute("type", Image.Source?.Type ?? "file"), new XAttribute("device", Device),
            new XElement("driver", new XAttribute("name", "qemu"), LibvirtXml.Optional("type", Image.Format),
                LibvirtXml.Optional("cache", Cache), LibvirtXml.Optional("io", IO), LibvirtXml.Optional("discard", Discard),
                LibvirtXml.Optional("iothread", IOThread), LibvirtXml.Optional("detect_zeroes", DetectZeroes)),
            Image.Source?.ToXml(),
            BackingXml(Image),
            new XElement("target", new XAttribute("dev", Target), LibvirtXml.Optional("bus", Bus)),
            ReadOnly ? new XElement("readonly") : null,
            Shareable ? new XElement("shareable") : null,
            Serial is null ? null : new XElement("serial", Serial));
    }

    /// <summary>The elements that say what the disk is made of, for putting into a <c>&lt;disk&gt;</c> that has others too.</summary>
    internal static XElement? BackingXml(DiskImage image) => image switch
    {
        { Backing: { } backing } => new XElement("backingStore", new XAttribute("type", backing.Source?.Type ?? "file"),
            new XElement("format", new XAttribute("type", backing.Format ?? "raw")), backing.Source?.ToXml(), BackingXml(backing)),
        { IsLast: true } => new XElement("backingStore"),
        _ => null,
    };

    private static DiskImage ParseImage(XElement image, string? format)
    {
        XElement? backing = image.Element("backingStore");
        var source = DiskSource.Parse(image.Text("type") ?? "file", image.Element("source"));

        // The place of old definitions for both: a child of the disk.
        if (source is { Encryption: null } && DiskEncryption.Parse(image.Element("encryption")) is { } encryption)
        {
            source = source with { Encryption = encryption };
        }

        if (source is RbdSource { Auth: null } rbd && RbdSource.ParseAuth(image.Element("auth")) is { } auth)
        {
            source = rbd with { Auth = auth };
        }

        return new DiskImage
        {
            Source = source,
            Format = format,
            Backing = backing is { HasElements: true } ? ParseImage(backing, backing.Element("format")?.Text("type")) : null,
            IsLast = backing is { HasElements: false },
        };
    }

    private void RequireValid()
    {
        if (!TargetName().IsMatch(Target))
        {
            throw LibvirtXml.Refused($"The target is '{Target}'; it is a name such as vda, sda or hdc.");
        }

        if (Serial is { } serial && !SerialNumber().IsMatch(serial))
        {
            throw LibvirtXml.Refused($"The serial number is '{serial}'; it has letters, digits, blanks and _ . + - only.");
        }

        if (IOThread is { } thread && (thread < 1 || Bus is not (null or DiskBus.Virtio or DiskBus.Scsi)))
        {
            throw LibvirtXml.Refused($"The I/O thread is {thread} on the bus {Bus}; threads count from 1 and serve virtio disks.");
        }

        if (IO == DiskIO.Native && Cache is not (DiskCache.None or DiskCache.Directsync))
        {
            throw LibvirtXml.Refused("Native I/O goes past the host's page cache, so it needs the cache none or directsync.");
        }
    }

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw LibvirtXml.Invalid($"'{text}' is no number");

    // diskTargetDev and diskSerial of libvirt's domaincommon.rng.
    [GeneratedRegex(@"^(?:fd|hd|sd|vd|xvd|ubd)[a-zA-Z0-9_]+\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex TargetName();

    [GeneratedRegex(@"^[A-Za-z0-9_.+\- ]+\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex SerialNumber();
}
