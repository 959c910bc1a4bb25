using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>What a server proves itself with, and what it wants of its clients.</summary>
public abstract class TlsServerCredentials : IDisposable
{
    private protected TlsServerCredentials()
    {
    }

    /// <summary>Whether every client that gets in has proven who it is.</summary>
    public abstract bool IdentifiesClients { get; }

    /// <summary>Certificates from a folder, with the file names of QEMU and nbdkit; renewed ones count from the next handshake on.</summary>
    /// <param name="folder">Holds server-cert.pem and server-key.pem, ca-cert.pem, and ca-crl.pem if any.</param>
    /// <param name="verifyPeer">Clients must show a certificate of the authority.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.TlsCredentialsInvalid"/>: a signature or a key of a kind that we do not read.</exception>
    public static TlsServerCredentials FromFolder(string folder, bool verifyPeer = true) =>
        new RenewedCredentials([.. X509Server.Files.Select(name => Path.Combine(folder, name))], () => X509Server.Load(folder, verifyPeer));

    /// <summary>Keys that clients share with the server, in GnuTLS's format (QEMU's keys.psk, nbdkit's --tls-psk); renewed ones count from the next handshake on. TLS 1.2.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>.</exception>
    public static TlsServerCredentials FromPskFile(string file) => new RenewedCredentials([file], () => PskServer.Load(file));

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The server's side of the handshake; blocks until it is over.</summary>
    /// <exception cref="VmCryptException">An id that begins with Tls.</exception>
    internal abstract TlsSession Accept(Stream plain);

    /// <summary>Why files that have changed are not used; told once.</summary>
    internal virtual VmCryptException? TakeFault() => null;

    protected virtual void Dispose(bool disposing)
    {
    }
}
