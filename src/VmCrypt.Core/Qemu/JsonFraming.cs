using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>Cuts a stream of bytes into JSON objects, wherever its pieces begin and end; blanks between objects are skipped.</summary>
/// <remarks>Counts braces outside of strings and nothing else: the parser behind it decides what is JSON.</remarks>
internal sealed class JsonFraming(int maxBytes)
{
    private byte[] _buffer = new byte[4096];
    private int _count;
    private int _depth;
    private bool _inString;
    private bool _escaped;

    /// <summary>Takes bytes up to the end of the next object; what is left of <paramref name="bytes"/> is for the next call.</summary>
    /// <param name="message">The object; valid until the next call.</param>
    /// <returns>False when the bytes are used up and no object is complete.</returns>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.QmpInvalid"/>, <see cref="ErrorIds.QmpMessageTooLarge"/>.</exception>
    public bool TryTake(ref ReadOnlySpan<byte> bytes, out ReadOnlyMemory<byte> message)
    {
        message = default;
        if (_depth == 0)
        {
            bytes = bytes.TrimStart(" \t\r\n"u8);
            _count = 0;
            if (bytes.IsEmpty)
            {
                return false;
            }

            if (bytes[0] != (byte)'{')
            {
                throw new ProtocolException(ErrorIds.QmpInvalid, $"The monitor sent the byte 0x{bytes[0]:x2} where a JSON object begins with '{{'.");
            }
        }

        int taken = 0;
        do
        {
            if (taken == bytes.Length)
            {
                Keep(bytes);
                bytes = default;
                return false;
            }

            Step(bytes[taken++]);
        }
        while (_depth > 0);

        Keep(bytes[..taken]);
        bytes = bytes[taken..];
        message = _buffer.AsMemory(0, _count);
        return true;
    }

    private void Step(byte value)
    {
        if (_inString)
        {
            _inString = _escaped || value != (byte)'"';
            _escaped = !_escaped && value == (byte)'\\';
            return;
        }

        _inString = value == (byte)'"';
        _depth += value switch { (byte)'{' => 1, (byte)'}' => -1, _ => 0 };
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > maxBytes - _count)
        {
            throw new ProtocolException(ErrorIds.QmpMessageTooLarge, $"The monitor sent a message of more than {maxBytes} bytes.");
        }

        if (bytes.Length > _buffer.Length - _count)
        {
            Array.Resize(ref _buffer, Math.Max(_count + bytes.Length, Math.Min(maxBytes, _buffer.Length * 2)));
        }

        bytes.CopyTo(_buffer.AsSpan(_count));
        _count += bytes.Length;
    }
}
