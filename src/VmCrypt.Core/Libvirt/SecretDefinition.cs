using System.Text;
using System.Xml;
using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>A secret object as <c>virsh secret-define</c> takes it; its value is set apart and never stands in the definition.</summary>
public sealed class SecretDefinition
{
    private readonly XElement _xml;

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

        _xml = new XElement("secret",
            new XAttribute("ephemeral", YesNo(options.IsEphemeral)),
            new XAttribute("private", YesNo(options.IsPrivate)),
            options.Uuid is { } uuid ? new XElement("uuid", uuid.ToString("D")) : null,
            options.Description is { } description ? new XElement("description", Characters("description", description)) : null,
            new XElement("usage", new XAttribute("type", TypeName(usage)), new XElement(ElementName(usage), Characters("name", name))));
    }

    /// <summary>The XML, indented, without a declaration.</summary>
    public override string ToString()
    {
        // Entities, because a reader takes a bare carriage return for a line feed: the name would be another.
        var settings = new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true, NewLineHandling = NewLineHandling.Entitize };
        var text = new StringBuilder();
        using (var writer = XmlWriter.Create(text, settings))
        {
            _xml.WriteTo(writer);
        }

        return text.ToString();
    }

    private static string TypeName(SecretUsage usage) => usage switch
    {
        SecretUsage.Volume => "volume",
        SecretUsage.Ceph => "ceph",
        SecretUsage.Iscsi => "iscsi",
        SecretUsage.Tls => "tls",
        SecretUsage.Vtpm => "vtpm",
        _ => throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid, $"The usage {usage} is not one of libvirt's."),
    };

    private static string ElementName(SecretUsage usage) => usage switch
    {
        SecretUsage.Volume => "volume",
        SecretUsage.Iscsi => "target",
        _ => "name",
    };

    private static string YesNo(bool value) => value ? "yes" : "no";

    // The pattern of absFilePath in libvirt's basictypes.rng; the path is the hypervisor's, so ours may not judge it.
    private static void RequireAbsolute(string path)
    {
        bool windows = path.Length > 3 && char.IsAsciiLetter(path[0]) && path.AsSpan(1).StartsWith(@":\");
        if (!windows && !(path.Length > 1 && path[0] == '/'))
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid, $"The volume's path is '{path}', and must be absolute.");
        }
    }

    // The pattern of objectName, there.
    private static void RequireObjectName(SecretUsage usage, string name)
    {
        if (name.Length == 0 || name.AsSpan().IndexOfAny('/', '\n') >= 0)
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid,
                $"The name of a {TypeName(usage)} secret is '{name}', and must be one line without a slash.");
        }
    }

    private static string Characters(string field, string text)
    {
        try
        {
            return XmlConvert.VerifyXmlChars(text);
        }
        catch (XmlException exception)
        {
            throw new InvalidInputException(ErrorIds.SecretDefinitionInvalid,
                $"The secret's {field} holds a character that XML cannot carry: {exception.Message}", exception);
        }
    }
}
