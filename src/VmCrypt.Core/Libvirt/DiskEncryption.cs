using System.Globalization;
using System.Xml.Linq;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Libvirt;

/// <summary>The format that an <c>&lt;encryption&gt;</c> names.</summary>
public enum EncryptionFormat
{
    /// <summary>LUKS1, read by QEMU itself or by librbd.</summary>
    Luks,

    /// <summary>LUKS2, which only librbd reads.</summary>
    Luks2,

    /// <summary>Either, as librbd finds it.</summary>
    [Spelled("luks-any")]
    LuksAny,

    /// <summary>The legacy AES of qcow and qcow2; understood, never written.</summary>
    Qcow,

    /// <summary>What libvirt once chose by itself, which was the legacy AES; understood, never written.</summary>
    Default,
}

/// <summary>Who decrypts.</summary>
public enum EncryptionEngine
{
    Qemu,
    Librbd,
}

/// <summary>How a definition names a secret: by its UUID or by its usage, one of the two.</summary>
public sealed record SecretReference
{
    private SecretReference(Guid? uuid, string? usage) => (Uuid, Usage) = (uuid, usage);

    public Guid? Uuid { get; }

    /// <summary>For a volume, the path that the secret was defined with.</summary>
    public string? Usage { get; }

    public static SecretReference To(Guid uuid) => new(uuid, null);

    public static SecretReference To(string usage) => new(null, usage);

    internal static SecretReference Parse(XElement secret) => (secret.Text("uuid"), secret.Text("usage")) switch
    {
        ({ } uuid, null) => To(LibvirtXml.Uuid(uuid)),
        (null, { } usage) => To(usage),
        _ => throw LibvirtXml.Invalid("a <secret> is named by a uuid or a usage, by one of the two"),
    };

    internal XElement ToXml(string? type) => new(
        "secret", LibvirtXml.Optional("type", type), LibvirtXml.Optional("uuid", Uuid?.ToString("D")), LibvirtXml.Optional("usage", Usage));
}

/// <summary>The cipher of a volume to be made, in libvirt's words.</summary>
/// <param name="Name">For example <c>aes</c>, <c>twofish</c>.</param>
/// <param name="KeyBits">Of one key: 256 where XTS has two of them.</param>
/// <param name="IvHash">Only of essiv: behind another generator QEMU writes it into the header, where cryptsetup stumbles over it.</param>
public sealed record VolumeCipher(string Name, int KeyBits, string? Mode, string? Hash, string? Iv, string? IvHash)
{
    /// <summary>The words for a cipher of ours.</summary>
    /// <param name="keySize">Bytes of the volume key.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LibvirtInexpressible"/>: QEMU has no such IV generator.</exception>
    public static VolumeCipher Of(CipherSpec cipher, int keySize, HashKind hash)
    {
        string? iv = cipher.Iv switch
        {
            IvGenerator.None => null,
            IvGenerator.Plain => "plain",
            IvGenerator.Plain64 => "plain64",
            IvGenerator.Essiv => "essiv",
            _ => throw new UnsupportedFeatureException(ErrorIds.LibvirtInexpressible, $"QEMU, and so libvirt, cannot make a disk with {cipher}."),
        };
        cipher.RequireKeySize(keySize);
        int bits = keySize * 8 / (cipher.Mode == CipherMode.Xts ? 2 : 1);
        string hashName = HashKinds.NameOf(hash);
        return new VolumeCipher(cipher.AlgorithmName, bits, cipher.Mode.ToString().ToLowerInvariant(), hashName,
            iv, cipher.IvHash is { } ivHash ? HashKinds.NameOf(ivHash) : null);
    }

    internal static VolumeCipher Parse(XElement cipher, XElement? ivgen) => new(
        cipher.Require("name"),
        int.TryParse(cipher.Require("size"), NumberStyles.None, CultureInfo.InvariantCulture, out int bits) ? bits : throw LibvirtXml.Invalid("the size of a <cipher> is no number"),
        cipher.Text("mode"), cipher.Text("hash"), ivgen?.Require("name"), ivgen?.Text("hash"));

    internal IEnumerable<XElement> ToXml()
    {
        yield return new XElement("cipher", new XAttribute("name", Name), new XAttribute("size", KeyBits),
            LibvirtXml.Optional("mode", Mode), LibvirtXml.Optional("hash", Hash));
        if (Iv is not null)
        {
            yield return new XElement("ivgen", new XAttribute("name", Iv), LibvirtXml.Optional("hash", IvHash));
        }
    }
}

/// <summary>An <c>&lt;encryption&gt;</c>: what format, who decrypts, with which secrets; for a new volume also under which cipher.</summary>
public sealed record DiskEncryption
{
    public EncryptionFormat Format { get; init; } = EncryptionFormat.Luks;

    /// <summary>Null where the definition does not say, which means QEMU.</summary>
    public EncryptionEngine? Engine { get; init; }

    /// <summary>One; librbd takes several for the layers of a clone, the image's own first.</summary>
    public SecretReference[] Secrets { get; init; } = [];

    /// <summary>Null lets QEMU choose (aes-256-xts-plain64, whatever libvirt's manual says), and for volumes that exist.</summary>
    public VolumeCipher? Cipher { get; init; }

    /// <summary>Broken by design: the passphrase is the key. Today's emulators refuse it; convert the image.</summary>
    public bool IsLegacy => Format is EncryptionFormat.Qcow or EncryptionFormat.Default;

    /// <summary>The encryption of a volume like the one whose header this is.</summary>
    public static VolumeCipher? CipherOf(LuksFacts luks) =>
        CipherSpec.Parse(luks.Cipher) is var cipher && HashKinds.TryParse(luks.Hash, out HashKind hash)
            ? VolumeCipher.Of(cipher, checked((int)luks.KeySize), hash)
            : null;

    internal static DiskEncryption? Parse(XElement? encryption) => encryption is null ? null : new()
    {
        Format = encryption.Choice<EncryptionFormat>("format") ?? throw LibvirtXml.Invalid("an <encryption> has no format"),
        Engine = encryption.Choice<EncryptionEngine>("engine"),
        Secrets = [.. encryption.Elements("secret").Select(SecretReference.Parse)],
        Cipher = encryption.Element("cipher") is { } cipher ? VolumeCipher.Parse(cipher, encryption.Element("ivgen")) : null,
    };

    internal XElement ToXml()
    {
        RequireWritable();
        return new XElement("encryption", new XAttribute("format", LibvirtXml.Word(Format)), LibvirtXml.Optional("engine", Engine),
            Secrets.Select(secret => secret.ToXml("passphrase")), Cipher?.ToXml());
    }

    private void RequireWritable()
    {
        if (IsLegacy)
        {
            throw new RefusedException(ErrorIds.LegacyEncryptionRefused,
                $"The encryption '{LibvirtXml.Word(Format)}' uses the passphrase itself as the key, cannot change it, and is refused by today's emulators; use luks, and Convert-Image for existing disks.");
        }

        if (Engine != EncryptionEngine.Librbd && Format != EncryptionFormat.Luks)
        {
            throw LibvirtXml.Refused($"The encryption {LibvirtXml.Word(Format)} needs the engine librbd: QEMU itself reads only LUKS1.");
        }

        if (Secrets.Length == 0 || (Secrets.Length > 1 && Engine != EncryptionEngine.Librbd))
        {
            throw LibvirtXml.Refused($"An encryption names one secret (with the engine librbd several), not {Secrets.Length}.");
        }
    }
}
