using System.Security.Cryptography;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A server that shares a key with each of its clients; a client is who its key says it is.</summary>
internal sealed class PskServer : TlsServerCredentials
{
    private readonly PskFile _keys;

    private PskServer(PskFile keys) => _keys = keys;

    public override bool IdentifiesClients => true;

    public static PskServer Load(string file) => new(PskFile.Load(file));

    internal override TlsSession Accept(Stream plain)
    {
        string? user = null;
        try
        {
            Stream stream = PskTls.Accept(plain, name =>
            {
                user = name;

                // A stranger fails like a user with the wrong key: nobody learns which names there are.
                return _keys.Find(name)?.Span.ToArray() ?? RandomNumberGenerator.GetBytes(32);
            });
            return new TlsSession(stream, user);
        }
        catch (Exception fault) when (X509Judge.IsFailure(fault))
        {
            throw PskTls.Failed(fault);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        base.Dispose(disposing);
    }
}
