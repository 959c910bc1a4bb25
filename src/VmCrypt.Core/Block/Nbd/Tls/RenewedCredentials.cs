using System.Security.Cryptography;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>Credentials whose files are looked at before each handshake, and read again when they have changed.</summary>
/// <remarks>
/// The files are renewed one after the other, and somebody may misspell one: what cannot be read leaves those in use that were read
/// before, is told once (<see cref="TakeFault"/>), and is tried again at the next handshake. So does a file that is gone: a revocation
/// list that is being replaced shall not be none for a moment.
/// </remarks>
internal sealed class RenewedCredentials : TlsServerCredentials
{
    private readonly Lock _lock = new();
    private readonly string[] _files;
    private readonly Func<TlsServerCredentials> _load;
    private byte[][] _stamp;
    private Lease _current;
    private string? _told;
    private VmCryptException? _fault;

    /// <param name="files">All that <paramref name="load"/> reads; some may be missing.</param>
    public RenewedCredentials(string[] files, Func<TlsServerCredentials> load)
    {
        _files = files;
        _load = load;
        // First: what changes while they are read is seen at the first handshake.
        _stamp = Stamp();
        _current = new Lease(load());
        IdentifiesClients = _current.Credentials.IdentifiesClients;
    }

    public override bool IdentifiesClients { get; }

    internal override TlsSession Accept(Stream plain)
    {
        Lease lease = Take();
        try
        {
            return lease.Credentials.Accept(plain);
        }
        finally
        {
            Return(lease);
        }
    }

    internal override VmCryptException? TakeFault() => Interlocked.Exchange(ref _fault, null);

    protected override void Dispose(bool disposing)
    {
        lock (_lock)
        {
            Retire(_current);
        }

        base.Dispose(disposing);
    }

    private Lease Take()
    {
        lock (_lock)
        {
            Look();
            _current.Users++;
            return _current;
        }
    }

    private void Return(Lease lease)
    {
        lock (_lock)
        {
            if (--lease.Users == 0 && lease.IsRetired)
            {
                lease.Credentials.Dispose();
            }
        }
    }

    // Handshakes that have begun end with the credentials that they began with.
    private static void Retire(Lease lease)
    {
        lease.IsRetired = true;
        if (lease.Users == 0)
        {
            lease.Credentials.Dispose();
        }
    }

    private void Look()
    {
        byte[][] stamp = Stamp();
        if (IsSame(stamp, _stamp))
        {
            return;
        }

        try
        {
            RequireAll(stamp);
            var renewed = new Lease(_load());
            if (!IsSame(Stamp(), stamp))
            {
                // They are being written at this very moment, and what was read may be a mixture.
                Retire(renewed);
                return;
            }

            Retire(_current);
            (_current, _stamp, _told) = (renewed, stamp, null);
        }
        catch (VmCryptException fault) when (fault.Message != _told)
        {
            _told = fault.Message;
            Volatile.Write(ref _fault, new InvalidInputException(ErrorIds.TlsCredentialsInvalid, $"{fault.Message} What was read before stays in use.", fault));
        }
        catch (VmCryptException)
        {
            // That has been said.
        }
    }

    private void RequireAll(byte[][] stamp)
    {
        for (int file = 0; file < stamp.Length; file++)
        {
            if (stamp[file].Length == 0 && _stamp[file].Length > 0)
            {
                throw new InvalidInputException(ErrorIds.TlsCredentialsInvalid, $"The file '{_files[file]}' is gone, or cannot be read any more.");
            }
        }
    }

    // Of the content: times are too coarse for two changes in a row, and some file systems keep none.
    private byte[][] Stamp() => [.. _files.Select(Digest)];

    private static bool IsSame(byte[][] one, byte[][] other) => one.Zip(other).All(file => file.First.AsSpan().SequenceEqual(file.Second));

    // Empty of what cannot be read.
    private static byte[] Digest(string file)
    {
        try
        {
            using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return SHA256.HashData(content);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Credentials, and the handshakes that go on with them.</summary>
    private sealed class Lease(TlsServerCredentials credentials)
    {
        public TlsServerCredentials Credentials => credentials;

        public int Users { get; set; }

        public bool IsRetired { get; set; }
    }
}
