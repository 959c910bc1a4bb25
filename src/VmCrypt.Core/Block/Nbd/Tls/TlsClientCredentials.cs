using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>What a client proves itself with, and how it knows its server.</summary>
internal abstract class TlsClientCredentials : IDisposable
{
    /// <param name="address">Whose name the certificate must have, unless <paramref name="tls"/> names another.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>.</exception>
    public static TlsClientCredentials Load(NbdTls tls, NbdAddress address) =>
        tls.PskFile is { } file ? PskClient.Load(file, tls.UserName ?? Environment.UserName) : X509Client.Load(tls, address);

    /// <summary>The client's side of the handshake.</summary>
    /// <exception cref="VmCryptException">An id that begins with Tls.</exception>
    public abstract Task<TlsSession> ConnectAsync(Stream plain, CancellationToken cancellationToken);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
