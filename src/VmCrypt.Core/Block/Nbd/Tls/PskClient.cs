using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A client that shares a key with its server, by which either knows the other.</summary>
internal sealed class PskClient : TlsClientCredentials
{
    private readonly PskFile _keys;
    private readonly string _user;

    private PskClient(PskFile keys, string user)
    {
        _keys = keys;
        _user = user;
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>: the file is none, or has no key for the user.</exception>
    public static PskClient Load(string file, string user)
    {
        PskFile keys = PskFile.Load(file);
        if (keys.Find(user) is not null)
        {
            return new PskClient(keys, user);
        }

        keys.Dispose();
        throw new InvalidInputException(ErrorIds.TlsCredentialsInvalid, $"'{file}' has no key for user '{user}'.");
    }

    public override async Task<TlsSession> ConnectAsync(Stream plain, CancellationToken cancellationToken)
    {
        try
        {
            // The engine blocks; who gives up closes the connection under it.
            await using CancellationTokenRegistration given = cancellationToken.UnsafeRegister(static state => ((Stream)state!).Close(), plain);
            Stream stream = await Task.Run(() => PskTls.Connect(plain, _user, _keys.Find(_user)!.Span.ToArray()), CancellationToken.None);
            return new TlsSession(stream, Identity: null);
        }
        catch (Exception fault) when (X509Judge.IsFailure(fault))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw PskTls.Failed(fault);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _keys.Dispose();
        base.Dispose(disposing);
    }
}
