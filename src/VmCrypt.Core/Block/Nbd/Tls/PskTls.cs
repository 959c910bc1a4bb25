using System.Text;
using Org.BouncyCastle.Crypto.Agreement;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Prng;
using Org.BouncyCastle.Crypto.Tls;
using Org.BouncyCastle.Security;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>TLS 1.2 with keys that both sides share, by BouncyCastle: .NET's own TLS has none. Records are ciphered by .NET (<see cref="PskCipher"/>).</summary>
/// <remarks>Only key exchanges with forward secrecy, and only authenticated ciphers. BouncyCastle cannot wipe the keys of a session; they are left to the collector.</remarks>
internal static class PskTls
{
    private static readonly int[] s_suites =
    [
        // RFC 7905 kept the draft's number.
        CipherSuite.DRAFT_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite.TLS_DHE_PSK_WITH_AES_256_GCM_SHA384,
        CipherSuite.TLS_DHE_PSK_WITH_AES_128_GCM_SHA256,
    ];

    /// <param name="keyOf">The key of the user whom the client names.</param>
    public static Stream Accept(Stream plain, Func<string, byte[]> keyOf)
    {
        var protocol = new ServerProtocol(plain, NewRandom());
        protocol.Accept(new Server(keyOf));
        return new BlockingStream(protocol.Stream);
    }

    public static Stream Connect(Stream plain, string user, byte[] key)
    {
        var protocol = new ClientProtocol(plain, NewRandom());
        protocol.Connect(new Client(user, key));
        return new BlockingStream(protocol.Stream);
    }

    /// <summary>What it means that the handshake failed.</summary>
    public static ProtocolException Failed(Exception fault) => new(ErrorIds.TlsHandshakeFailed, fault switch
    {
        TlsFatalAlert { AlertDescription: AlertDescription.bad_record_mac or AlertDescription.decrypt_error }
            or TlsFatalAlertReceived { AlertDescription: AlertDescription.bad_record_mac or AlertDescription.decrypt_error or AlertDescription.unknown_psk_identity }
            => "The TLS handshake failed: the peer has another key for the user, or does not know the user.",
        _ => $"The TLS handshake failed: {fault.Message.TrimEnd('.')}.",
    }, fault);

    private static SecureRandom NewRandom() => new(new CryptoApiRandomGenerator());

    /// <summary>A server's session that writes one record after the other.</summary>
    /// <remarks>
    /// BouncyCastle answers alerts and wishes for a new handshake on the thread that reads. Beside one that writes, both records
    /// could get the same number, and so the same nonce: that gives away what the cipher protects.
    /// </remarks>
    private sealed class ServerProtocol(Stream plain, SecureRandom random) : TlsServerProtocol(plain, random)
    {
        private readonly Lock _writing = new();

        protected override void SafeWriteRecord(byte type, byte[] buf, int offset, int len)
        {
            lock (_writing)
            {
                base.SafeWriteRecord(type, buf, offset, len);
            }
        }

        protected override void RaiseAlertFatal(byte alertDescription, string message, Exception cause)
        {
            lock (_writing)
            {
                base.RaiseAlertFatal(alertDescription, message, cause);
            }
        }
    }

    /// <summary>A client's session that writes one record after the other, as <see cref="ServerProtocol"/> does.</summary>
    private sealed class ClientProtocol(Stream plain, SecureRandom random) : TlsClientProtocol(plain, random)
    {
        private readonly Lock _writing = new();

        protected override void SafeWriteRecord(byte type, byte[] buf, int offset, int len)
        {
            lock (_writing)
            {
                base.SafeWriteRecord(type, buf, offset, len);
            }
        }

        protected override void RaiseAlertFatal(byte alertDescription, string message, Exception cause)
        {
            lock (_writing)
            {
                base.RaiseAlertFatal(alertDescription, message, cause);
            }
        }
    }

    private sealed class Server(Func<string, byte[]> keyOf) : PskTlsServer(PskCipher.Factory, new Users(keyOf))
    {
        protected override ProtocolVersion MinimumVersion => ProtocolVersion.TLSv12;

        protected override ProtocolVersion MaximumVersion => ProtocolVersion.TLSv12;

        protected override int[] GetCipherSuites() => s_suites;

        protected override DHParameters GetDHParameters() => DHStandardGroups.rfc7919_ffdhe2048;
    }

    private sealed class Client(string user, byte[] key) : PskTlsClient(PskCipher.Factory, new User(user, key))
    {
        public override ProtocolVersion MinimumVersion => ProtocolVersion.TLSv12;

        public override ProtocolVersion ClientVersion => ProtocolVersion.TLSv12;

        public override int[] GetCipherSuites() => s_suites;
    }

    private sealed class Users(Func<string, byte[]> keyOf) : TlsPskIdentityManager
    {
        public byte[] GetHint() => [];

        public byte[] GetPsk(byte[] identity) => keyOf(Encoding.UTF8.GetString(identity));
    }

    private sealed class User(string name, byte[] key) : TlsPskIdentity
    {
        public void SkipIdentityHint()
        {
            // Hints say whose server it is; the URI has said that already.
        }

        public void NotifyIdentityHint(byte[] pskIdentityHint)
        {
            // As above.
        }

        public byte[] GetPskIdentity() => Encoding.UTF8.GetBytes(name);

        public byte[] GetPsk() => key;
    }
}
