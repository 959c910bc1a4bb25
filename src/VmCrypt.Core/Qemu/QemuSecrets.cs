using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A secret under a master secret, both in base64: what QEMU calls <c>data</c> and <c>iv</c>.</summary>
public sealed record WrappedSecret(string Data, string InitialVector);

/// <summary>QEMU's <c>secret</c> objects, and the encryption of one under another.</summary>
/// <remarks>AES-256-CBC with PKCS#7, as the manual's <c>openssl enc -aes-256-cbc -a -K … -iv …</c> makes it (Q:crypto/secret_common.c).</remarks>
public static class QemuSecrets
{
    /// <summary>Bytes of a master secret.</summary>
    public const int MasterSize = 32;

    /// <summary>Bytes of an IV.</summary>
    public const int IvSize = 16;

    /// <summary>A secret that QEMU reads from a file, which is best its owner's alone.</summary>
    /// <param name="base64">The file holds base64.</param>
    public static QemuObject FromFile(string id, string file, bool base64 = false) => new(
        "secret", id, ("format", base64 ? "base64" : null), ("file", QemuObjects.RequirePath(file)));

    /// <summary>A secret whose value stands in the object itself, for whoever sees QEMU's arguments.</summary>
    /// <param name="value">Borrowed; what is no text is written in base64.</param>
    public static QemuObject FromData(string id, SecretBuffer value)
    {
        bool text = Utf8.IsValid(value.Span) && !value.Span.Contains((byte)0);
        return new QemuObject("secret", id, ("format", text ? null : "base64"), ("data", text ? Encoding.UTF8.GetString(value.Span) : Convert.ToBase64String(value.Span)));
    }

    /// <summary>A secret that is wrapped, and so of no use to whoever sees it.</summary>
    /// <param name="masterId">The secret object that unwraps it.</param>
    public static QemuObject FromWrapped(string id, WrappedSecret wrapped, string masterId) => new(
        "secret", id, ("format", "base64"), ("data", wrapped.Data), ("keyid", QemuObject.RequireId(masterId)), ("iv", wrapped.InitialVector));

    /// <summary>Wraps a secret.</summary>
    /// <param name="value">Borrowed.</param>
    /// <param name="master">32 bytes, borrowed.</param>
    /// <param name="iv">16 bytes; null makes them, as every secret but a test's should.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.MasterSecretInvalid"/>.</exception>
    public static WrappedSecret Wrap(SecretBuffer value, SecretBuffer master, byte[]? iv = null)
    {
        using Aes aes = CipherOf(master);
        byte[] used = iv ?? RandomNumberGenerator.GetBytes(IvSize);
        RequireIv(used);
        return new WrappedSecret(Convert.ToBase64String(aes.EncryptCbc(value.Span, used)), Convert.ToBase64String(used));
    }

    /// <summary>Unwraps a secret; the caller disposes it.</summary>
    /// <param name="master">32 bytes, borrowed.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.MasterSecretInvalid"/>, <see cref="ErrorIds.QemuOptionInvalid"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongMasterSecret"/>.</exception>
    public static SecretBuffer Unwrap(WrappedSecret wrapped, SecretBuffer master)
    {
        byte[] data = FromBase64(wrapped.Data, "data");
        byte[] iv = FromBase64(wrapped.InitialVector, "IV");
        RequireIv(iv);
        if (data.Length == 0 || data.Length % IvSize != 0)
        {
            throw new InvalidInputException(ErrorIds.QemuOptionInvalid, $"The wrapped secret has {data.Length} bytes, and must have a positive multiple of {IvSize}.");
        }

        using Aes aes = CipherOf(master);
        using var padded = new SecretBuffer(data.Length);
        try
        {
            int length = aes.DecryptCbc(data, iv, padded.Span);
            return SecretBuffer.CopyOf(padded.Span[..length]);
        }
        catch (CryptographicException fault)
        {
            throw new WrongKeyException(ErrorIds.WrongMasterSecret, "The master secret does not unwrap the secret, or the IV is another.", fault);
        }
    }

    /// <summary>The 32 bytes of a master secret from a file that holds them raw, or in base64 as QEMU's manual keeps them.</summary>
    /// <param name="content">Borrowed.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.MasterSecretInvalid"/>.</exception>
    public static SecretBuffer ReadMaster(SecretBuffer content)
    {
        if (content.Length == MasterSize)
        {
            return content.Copy();
        }

        using var decoded = new SecretBuffer(Base64.GetMaxDecodedFromUtf8Length(content.Length));
        Span<byte> text = content.Span.TrimEnd("\r\n"u8);
        return Base64.DecodeFromUtf8(text, decoded.Span, out _, out int length) == OperationStatus.Done && length == MasterSize
            ? SecretBuffer.CopyOf(decoded.Span[..length])
            : throw new InvalidInputException(ErrorIds.MasterSecretInvalid, $"The master secret is neither {MasterSize} bytes nor their base64.");
    }

    private static Aes CipherOf(SecretBuffer master)
    {
        if (master.Length != MasterSize)
        {
            throw new InvalidInputException(ErrorIds.MasterSecretInvalid, $"The master secret has {master.Length} bytes, and must have {MasterSize}.");
        }

        var aes = Aes.Create();
        aes.SetKey(master.Span);
        return aes;
    }

    private static void RequireIv(byte[] iv)
    {
        if (iv.Length != IvSize)
        {
            throw new InvalidInputException(ErrorIds.QemuOptionInvalid, $"The IV has {iv.Length} bytes, and must have {IvSize}.");
        }
    }

    private static byte[] FromBase64(string text, string what)
    {
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException fault)
        {
            throw new InvalidInputException(ErrorIds.QemuOptionInvalid, $"The {what} is no base64: {fault.Message}", fault);
        }
    }
}
