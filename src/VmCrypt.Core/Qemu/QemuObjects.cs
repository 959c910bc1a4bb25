using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>Which end of TLS has the credentials.</summary>
public enum TlsEndpoint
{
    Server,
    Client,
}

/// <summary>What becomes of an identity.</summary>
public enum AuthzPolicy
{
    Deny,
    Allow,
}

/// <summary>How a rule's pattern is read.</summary>
public enum AuthzFormat
{
    Exact,
    Glob,
}

/// <summary>One rule of an authz-list: the first that matches decides.</summary>
/// <param name="Match">An identity, for x509 the distinguished name.</param>
public sealed record AuthzRule(string Match, AuthzPolicy Policy, AuthzFormat Format = AuthzFormat.Exact);

/// <summary>The objects that stand beside an encrypted disk, checked as QEMU checks them.</summary>
public static class QemuObjects
{
    /// <param name="pollMaxNs">Longest busy wait, nanoseconds; 0 never waits busily.</param>
    /// <param name="pollGrow">Factor by which the wait grows; 0 is QEMU's own.</param>
    /// <param name="pollShrink">Divisor by which it shrinks; 0 sets it back to nothing.</param>
    /// <param name="aioMaxBatch">Requests handed to the kernel at once; 0 is QEMU's own.</param>
    public static QemuObject IOThread(string id, long? pollMaxNs = null, long? pollGrow = null, long? pollShrink = null, long? aioMaxBatch = null)
    {
        foreach (long? number in (long?[])[pollMaxNs, pollGrow, pollShrink, aioMaxBatch])
        {
            Require(number is null or >= 0, $"An iothread's options are not negative; one is {number}.");
        }

        return new QemuObject("iothread", id, ("poll-max-ns", pollMaxNs), ("poll-grow", pollGrow), ("poll-shrink", pollShrink), ("aio-max-batch", aioMaxBatch));
    }

    /// <param name="identity">The only one that is let in.</param>
    public static QemuObject AuthzSimple(string id, string identity)
    {
        Require(identity.Length > 0, "An identity is not empty.");
        return new QemuObject("authz-simple", id, ("identity", identity));
    }

    /// <param name="policy">For whom no rule matches.</param>
    public static QemuObject AuthzList(string id, AuthzPolicy policy, IReadOnlyList<AuthzRule> rules)
    {
        Require(rules.All(rule => rule.Match.Length > 0), "A rule matches an identity, which is not empty.");
        JsonNode[] items = [.. rules.Select(rule => QemuOptions.Of(("match", rule.Match), ("policy", Word(rule.Policy)), ("format", Word(rule.Format))))];
        return new QemuObject("authz-list", id, ("policy", Word(policy)), ("rules", items.Length > 0 ? new JsonArray(items) : null));
    }

    /// <param name="file">The rules as JSON.</param>
    /// <param name="refresh">Read the file again when it changes.</param>
    /// <remarks>QEMU 7.2 knows the type by this name on its command line and by another inside, and so refuses it; newer ones may.</remarks>
    public static QemuObject AuthzListFile(string id, string file, bool? refresh = null) =>
        new("authz-listfile", id, ("filename", RequirePath(file)), ("refresh", refresh));

    /// <param name="service">The name of a PAM service.</param>
    public static QemuObject AuthzPam(string id, string service)
    {
        Require(service.Length > 0 && service.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'), $"'{service}' is no name of a PAM service.");
        return new QemuObject("authz-pam", id, ("service", service));
    }

    /// <param name="folder">Holds ca-cert.pem, and server- or client-cert.pem and -key.pem.</param>
    /// <param name="passwordId">The secret that opens the private key.</param>
    public static QemuObject TlsX509(string id, string folder, TlsEndpoint endpoint, bool? verifyPeer = null, string? passwordId = null, string? priority = null) => new(
        "tls-creds-x509", id, ("dir", RequirePath(folder)), ("endpoint", Word(endpoint)), ("verify-peer", verifyPeer),
        ("passwordid", passwordId is null ? null : QemuObject.RequireId(passwordId)), ("priority", priority));

    /// <param name="folder">Holds keys.psk, and on a server dh-params.pem if any.</param>
    /// <param name="userName">Of a client.</param>
    public static QemuObject TlsPsk(string id, string folder, TlsEndpoint endpoint, string? userName = null, string? priority = null)
    {
        Require(userName is null || endpoint == TlsEndpoint.Client, "Only a client has a user name.");
        return new QemuObject("tls-creds-psk", id, ("dir", RequirePath(folder)), ("endpoint", Word(endpoint)), ("username", userName), ("priority", priority));
    }

    /// <summary>The back end of a virtio-crypto device; <see cref="VirtioCrypto"/> is its front.</summary>
    /// <param name="chardev">The id of the socket to the vhost-user process.</param>
    public static QemuObject CryptodevVhostUser(string id, string chardev, int? queues = null)
    {
        Require(queues is null or > 0, $"A cryptodev has 1 queue or more, not {queues}.");
        return new QemuObject("cryptodev-vhost-user", id, ("chardev", QemuObject.RequireId(chardev)), ("queues", queues));
    }

    /// <summary>What follows <c>-device</c> for the guest's end of a cryptodev.</summary>
    public static string VirtioCrypto(string id, string cryptodev) =>
        "virtio-crypto-pci," + QemuOptions.ToKeyValues(QemuOptions.Of(("id", QemuObject.RequireId(id)), ("cryptodev", QemuObject.RequireId(cryptodev))));

    /// <param name="encryptionBit">The bit of a page table entry that says encrypted (cbitpos), as CPUID 8000001F tells.</param>
    /// <param name="reducedPhysBits">Address bits that encryption takes, as CPUID tells.</param>
    /// <param name="policy">The guest's policy, AMD's bits; bit 2 is SEV-ES.</param>
    public static QemuObject SevGuest(
        string id, int encryptionBit, int reducedPhysBits, uint? policy = null, string? dhCertFile = null, string? sessionFile = null, bool? kernelHashes = null, string? device = null)
    {
        Require(encryptionBit is >= 32 and < 64, $"The encryption bit is {encryptionBit}, and is 32 to 63.");
        Require(reducedPhysBits is >= 1 and <= 63, $"Encryption takes {reducedPhysBits} address bits, and takes 1 to 63.");
        Require(dhCertFile is null == sessionFile is null, "The owner's certificate and session go together.");
        return new QemuObject("sev-guest", id,
            ("sev-device", device is null ? null : RequirePath(device)), ("dh-cert-file", dhCertFile is null ? null : RequirePath(dhCertFile)),
            ("session-file", sessionFile is null ? null : RequirePath(sessionFile)), ("policy", policy),
            ("cbitpos", encryptionBit), ("reduced-phys-bits", reducedPhysBits), ("kernel-hashes", kernelHashes));
    }

    /// <param name="bytesPerSecond">Of reads and writes together; null for no limit.</param>
    /// <param name="requestsPerSecond">Likewise.</param>
    public static QemuObject ThrottleGroup(string id, long? bytesPerSecond = null, long? requestsPerSecond = null)
    {
        Require(bytesPerSecond is null or > 0 && requestsPerSecond is null or > 0 && (bytesPerSecond ?? requestsPerSecond) is not null, "A throttle group has a limit, and it is positive.");
        return new QemuObject("throttle-group", id, ("limits", QemuOptions.Of(("bps-total", bytesPerSecond), ("iops-total", requestsPerSecond))));
    }

    internal static string Word(Enum choice) => choice.ToString().ToLowerInvariant();

    internal static string RequirePath(string path)
    {
        Require(path.Length > 1 && path[0] == '/', $"The path is '{path}', and must be absolute.");
        return path;
    }

    private static void Require(bool fits, string sentence)
    {
        if (!fits)
        {
            throw new InvalidInputException(ErrorIds.QemuOptionInvalid, sentence);
        }
    }
}
