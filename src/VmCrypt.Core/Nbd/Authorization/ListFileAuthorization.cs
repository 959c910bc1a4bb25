using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>Rules in a file, looked at whenever somebody asks: a change needs no watcher, and works on every file system.</summary>
internal sealed class ListFileAuthorization : NbdAuthorization
{
    // Ten thousand rules fit.
    private const int MaxBytes = 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly string _path;
    private byte[] _content = [];
    private AuthorizationList? _list;
    private string _fault = string.Empty;
    private int _version;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.AuthorizationListInvalid"/>.</exception>
    public ListFileAuthorization(string path)
    {
        _path = path;
        Look();
        if (_list is null)
        {
            throw new InvalidInputException(ErrorIds.AuthorizationListInvalid, _fault);
        }
    }

    internal override int Version
    {
        get
        {
            lock (_lock)
            {
                Look();
                return _version;
            }
        }
    }

    internal override bool Allows(string identity, out string why)
    {
        lock (_lock)
        {
            Look();
            why = _fault;
            return _list?.Allows(identity) ?? false;
        }
    }

    private void Look()
    {
        byte[] content;
        try
        {
            content = Read();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Become(null, $"The list '{_path}' cannot be read: {fault.Message}");
            _content = [];
            return;
        }

        if (_list is not null && content.AsSpan().SequenceEqual(_content))
        {
            return;
        }

        _content = content;
        try
        {
            Become(content.Length <= MaxBytes ? AuthorizationList.Parse(content) : throw new JsonException($"it is longer than {MaxBytes} bytes"), string.Empty);
        }
        catch (JsonException fault)
        {
            Become(null, $"The list '{_path}' allows nobody: {fault.Message}");
        }
    }

    private void Become(AuthorizationList? list, string fault)
    {
        bool stillInvalid = list is null && _list is null && fault == _fault;
        _list = list;
        _fault = fault;
        _version += stillInvalid ? 0 : 1;
    }

    private byte[] Read()
    {
        using var file = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        if (!file.CanSeek)
        {
            throw new IOException("it is no regular file");
        }

        byte[] buffer = new byte[Math.Min(file.Length, MaxBytes) + 1];
        int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return buffer[..length];
    }
}
