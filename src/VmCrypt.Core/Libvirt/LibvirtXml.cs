using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>The one door for XML from and to libvirt.</summary>
internal static class LibvirtXml
{
    /// <summary>libvirt's own limit for a text on its wire.</summary>
    public const int MaxCharacters = 4 * 1024 * 1024;

    /// <summary>The limit of libxml2, which libvirt reads with.</summary>
    public const int MaxDepth = 256;

    /// <summary>Reads a document without a DTD whose root is <paramref name="root"/>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static XElement Parse(string xml, string root)
    {
        try
        {
            RequireShallow(xml);
            using XmlReader reader = Reader(xml);
            XElement element = XElement.Load(reader);
            return element.Name == root ? element : throw Invalid($"its root is <{element.Name.LocalName}>, not <{root}>");
        }
        catch (XmlException fault)
        {
            throw new InvalidInputException(ErrorIds.LibvirtXmlInvalid, $"The libvirt XML cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>The element, indented, without a declaration.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtDefinitionInvalid"/>: a text holds a character that XML cannot carry.</exception>
    public static string Write(XElement element)
    {
        // Entities, because a reader takes a bare carriage return for a line feed: a name would be another.
        var settings = new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true, NewLineHandling = NewLineHandling.Entitize };
        var text = new StringBuilder();
        try
        {
            using var writer = XmlWriter.Create(text, settings);
            element.WriteTo(writer);
        }
        catch (ArgumentException fault)
        {
            throw Refused($"A text of the <{element.Name.LocalName}> holds a character that XML cannot carry: {fault.Message}");
        }

        return text.ToString();
    }

    public static string? Text(this XElement element, string attribute) => (string?)element.Attribute(attribute);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static string Require(this XElement element, string attribute) =>
        element.Text(attribute) ?? throw Invalid($"a <{element.Name.LocalName}> has no {attribute}");

    /// <summary>An attribute that names one of <typeparamref name="T"/>'s members, in libvirt's spelling; null where it is missing.</summary>
    public static T? Choice<T>(this XElement element, string attribute)
        where T : struct, Enum
    {
        string? text = element.Text(attribute);
        return text is null ? null
            : Choices<T>().TryGetValue(text, out T value) ? value
            : throw Invalid($"the {attribute} of a <{element.Name.LocalName}> is '{text}', not one of {string.Join(", ", Choices<T>().Keys)}");
    }

    /// <summary>An attribute whose value is written only where there is one.</summary>
    public static XAttribute? Optional(string name, object? value) => value switch
    {
        null => null,
        Enum choice => new XAttribute(name, Word(choice)),
        _ => new XAttribute(name, value),
    };

    /// <summary>A member's name as libvirt spells it: <c>LuksAny</c> is <c>luks-any</c>, <c>IoUring</c> <c>io_uring</c>.</summary>
    public static string Word(Enum choice) => typeof(SpelledAttribute) is var spelled
        && choice.GetType().GetField(choice.ToString()) is { } field && Attribute.GetCustomAttribute(field, spelled) is SpelledAttribute name
            ? name.Word
            : choice.ToString().ToLowerInvariant();

    /// <summary>Bytes in an element such as <c>&lt;capacity unit='GiB'&gt;</c>; null where there is no element.</summary>
    public static long? Bytes(XElement? element)
    {
        if (element is null)
        {
            return null;
        }

        return long.TryParse(element.Value.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && Unit(element.Text("unit")) is { } unit && number <= long.MaxValue / unit
                ? number * unit
                : throw Invalid($"the <{element.Name.LocalName}> '{element.Value.Trim()} {element.Text("unit")}' is no size");
    }

    /// <summary>A UUID, with or without hyphens as libvirt takes it.</summary>
    public static Guid Uuid(string text) => Guid.TryParse(text.Trim(), out Guid uuid) ? uuid : throw Invalid($"'{text}' is no UUID");

    public static InvalidInputException Invalid(string why) => new(ErrorIds.LibvirtXmlInvalid, $"The libvirt XML cannot be used: {why}.");

    public static InvalidInputException Refused(string sentence) => new(ErrorIds.LibvirtDefinitionInvalid, sentence);

    private static Dictionary<string, T> Choices<T>()
        where T : struct, Enum => Enum.GetValues<T>().ToDictionary(value => Word(value));

    // virScaleInteger: K, KiB are powers of 1024, KB of 1000.
    private static long? Unit(string? unit)
    {
        if (unit is null or "B" or "bytes")
        {
            return 1;
        }

        int power = unit.Length > 0 ? "KMGTPE".IndexOf(unit[0], StringComparison.OrdinalIgnoreCase) + 1 : 0;
        return (power, unit.Length > 0 ? unit[1..] : unit) switch
        {
            (0, _) => null,
            (_, "" or "iB") => 1L << (10 * power),
            (_, "B") => (long)Math.Pow(1000, power),
            _ => null,
        };
    }

    private static XmlReader Reader(string xml) => XmlReader.Create(
        new StringReader(xml), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, MaxCharactersInDocument = MaxCharacters, XmlResolver = null });

    // XElement walks its own tree by recursion here and there: what could exhaust the stack is not let in.
    private static void RequireShallow(string xml)
    {
        using XmlReader reader = Reader(xml);
        while (reader.Read())
        {
            if (reader.Depth > MaxDepth)
            {
                throw Invalid($"its elements are nested more than {MaxDepth} deep");
            }
        }
    }
}

/// <summary>How libvirt spells a member whose name in lower case is not the word.</summary>
[AttributeUsage(AttributeTargets.Field)]
internal sealed class SpelledAttribute(string word) : Attribute
{
    public string Word => word;
}
