using System.Xml;
using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>A secret object as <c>virsh secret-define</c> takes it; its value is set apart and never stands in the definition.</summary>
public sealed class SecretDefinition
{
    /// <param name="usage">Decides what <paramref name="name"/> names.</param>
    /// <param name="name">The volume's absolute path on the hypervisor, or the name (without a slash) by which a domain asks for the secret.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretDefinitionInvalid"/>: libvirt's schema would refuse a part.</exception>
    public SecretDefinition(SecretUsage usage, string name, SecretOptions options)
    {
        if (usage == SecretUsage.Volume)
        {
            RequireAbsolute(name);
        }
        else
        {
            RequireObjectName(usage, name);
        }

        RequireCharacters("name", name);
        RequireCharacters("description", options.Description ?? string.Empty);
        Usage = usage;
        Name = name;
        Options = options;
    }

    public SecretUsage Usage { get; }

    public string Name { get; }

    public SecretOptions Options { get; }

    /// <summary>Reads what <c>virsh secret-dumpxml</c> prints; null for a secret of no usage, which no definition can refer to by name.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>, <see cref="ErrorIds.SecretDefinitionInvalid"/>.</exception>
    public static SecretDefinition? Parse(string xml)
    {
        XElement secret = LibvirtXml.Parse(xml, "secret");
        if (secret.Element("usage") is not { } usage || usage.Choice<SecretUsage>("type") is not { } kind)
        {
            return null;
        }

        return new SecretDefinition(kind, usage.Element(ElementName(kind))?.Value ?? throw LibvirtXml.Invalid("a secret's <usage> names nothing"), new SecretOptions
        {
            Uuid = secret.Element("uuid") is { } uuid ? LibvirtXml.Uuid(uuid.Value) : null,
            Description = secret.Element("description")?.Value,
            IsEphemeral = secret.Choice<YesNo>("ephemeral") == YesNo.Yes,
            IsPrivate = secret.Choice<YesNo>("private") == YesNo.Yes,
        });
    }

    /// <summary>The XML, indented, without a declaration.</summary>
    public override string ToString() => LibvirtXml.Write(new XElement("secret",
        new XAttribute("ephemeral", LibvirtXml.Word(Options.IsEphemeral ? YesNo.Yes : YesNo.No)),
        new XAttribute("private", LibvirtXml.Word(Options.IsPrivate ? YesNo.Yes : YesNo.No)),
        Options.Uuid is { } uuid ? new XElement("uuid", uuid.ToString("D")) : null,
        Options.Description is { } description ? new XElement("description", description) : null,
        new XElement("usage", new XAttribute("type", LibvirtXml.Word(Usage)), new XElement(ElementName(Usage), Name))));

    private static string ElementName(SecretUsage usage) => usage switch
    {
        SecretUsage.Volume => "volume",
        SecretUsage.Iscsi => "target",
        _ => "name",
    };

    private static void RequireAbsolute(string path)
    {
        if (!HostPath.IsAbsolute(path))
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid, $"The volume's path is '{path}', and must be absolute.");
        }
    }

    // The pattern of objectName in libvirt's basictypes.rng.
    private static void RequireObjectName(SecretUsage usage, string name)
    {
        if (!Enum.IsDefined(usage))
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid, $"The usage {usage} is not one of libvirt's.");
        }

        if (name.Length == 0 || name.AsSpan().IndexOfAny('/', '\n') >= 0)
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid,
                $"The name of a {LibvirtXml.Word(usage)} secret is '{name}', and must be one line without a slash.");
        }
    }

    private static void RequireCharacters(string field, string text)
    {
        try
        {
            XmlConvert.VerifyXmlChars(text);
        }
        catch (XmlException exception)
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid,
                $"The secret's {field} holds a character that XML cannot carry: {exception.Message}", exception);
        }
    }
}
