using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A QMP connection: the one class that holds the socket of a <see cref="QmpSession"/>.</summary>
internal sealed class QmpClient : IQemuMonitor
{
    /// <summary>Far more than a guard is ever behind; a monitor that floods is cut off.</summary>
    public const int MaxUnreadEvents = 8192;

    /// <summary>Leaves room for commands within what a JSON number holds exactly.</summary>
    private const long MaxFirstId = 1L << 52;

    private readonly Socket _socket;
    private readonly TimeSpan _patience;
    private readonly QmpSession _session = new(Random.Shared.NextInt64(1, MaxFirstId));
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _waiting = new();
    private readonly TaskCompletionSource<QmpGreeting> _greeting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<QemuEvent> _events = Channel.CreateBounded<QemuEvent>(new BoundedChannelOptions(MaxUnreadEvents) { SingleReader = true, SingleWriter = true });
    private readonly Task _reading;
    private VmCryptException? _end;

    private QmpClient(Socket socket, TimeSpan patience)
    {
        _socket = socket;
        _patience = patience;
        _reading = Task.Run(ReadAsync);
    }

    public ChannelReader<QemuEvent> Events => _events.Reader;

    /// <summary>QEMU's version, from the greeting.</summary>
    public Version QemuVersion => _greeting.Task.Result.QemuVersion;

    /// <summary>Connects, waits for the greeting and leaves the negotiation behind.</summary>
    /// <param name="patience">For the connection and for each answer.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.MonitorUnreachable"/>, <see cref="ErrorIds.MonitorTimeout"/>, <see cref="ErrorIds.MonitorLost"/>.</exception>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.QmpInvalid"/>.</exception>
    public static async Task<QmpClient> ConnectAsync(StreamEndpoint endpoint, TimeSpan patience, CancellationToken cancellationToken)
    {
        Socket socket = endpoint.NewSocket();
        try
        {
            await socket.ConnectAsync(endpoint.Address, cancellationToken).AsTask().WaitAsync(patience, cancellationToken);
        }
        catch (Exception fault) when (fault is SocketException or TimeoutException)
        {
            socket.Dispose();
            throw new DeviceFaultException(ErrorIds.MonitorUnreachable, $"The monitor {endpoint} cannot be reached: {fault.Message}", fault);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var client = new QmpClient(socket, patience);
        try
        {
            await client.Within(client._greeting.Task, "its greeting", cancellationToken);
            await client.ExecuteAsync("qmp_capabilities", null, cancellationToken);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        long id;
        byte[] bytes;
        lock (_gate)
        {
            if (_end is not null)
            {
                throw _end;
            }

            (id, bytes) = _session.Command(command, arguments);
            _waiting[id] = answer;
        }

        try
        {
            await Within(SendAsync(bytes, cancellationToken), $"{command} being sent", cancellationToken);
            return await Within(answer.Task, command, cancellationToken);
        }
        catch (SocketException fault)
        {
            throw new DeviceFaultException(ErrorIds.MonitorLost, $"The monitor's connection broke: {fault.Message}", fault);
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _reading;
    }

    // A command cut off in the middle would spoil the stream: once begun, it is sent whole whatever the caller does.
    private async Task SendAsync(byte[] bytes, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            for (ReadOnlyMemory<byte> rest = bytes; !rest.IsEmpty;)
            {
                rest = rest[await _socket.SendAsync(rest, CancellationToken.None)..];
            }
        }
        catch (ObjectDisposedException fault)
        {
            throw new DeviceFaultException(ErrorIds.MonitorLost, "The monitor's connection was closed here.", fault);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        VmCryptException end;
        try
        {
            while (await _socket.ReceiveAsync(buffer) is > 0 and var count)
            {
                Dispatch(buffer.AsSpan(0, count));
            }

            end = new DeviceFaultException(ErrorIds.MonitorLost, "The monitor closed the connection.");
        }
        catch (ProtocolException fault)
        {
            end = fault;
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            end = new DeviceFaultException(ErrorIds.MonitorLost, $"The monitor's connection broke: {fault.Message}", fault);
        }

        End(end);
    }

    private void Dispatch(ReadOnlySpan<byte> bytes)
    {
        IReadOnlyList<QmpMessage> messages;
        lock (_gate)
        {
            messages = _session.Receive(bytes);
        }

        foreach (QmpMessage message in messages)
        {
            switch (message)
            {
                case QmpGreeting greeting:
                    _greeting.TrySetResult(greeting);
                    break;
                case QmpEventMessage happening:
                    if (!_events.Writer.TryWrite(happening.Event))
                    {
                        throw new ProtocolException(ErrorIds.QmpInvalid, $"The monitor sent {MaxUnreadEvents} events faster than they were read.");
                    }

                    break;
                case QmpReply reply when _waiting.TryRemove(reply.Id, out TaskCompletionSource<JsonElement>? answer):
                    answer.TrySetResult(reply.Result);
                    break;
                case QmpFailure failure when _waiting.TryRemove(failure.Id, out TaskCompletionSource<JsonElement>? answer):
                    answer.TrySetException(QemuRefusal.From(failure.ErrorClass, failure.Description));
                    break;
            }
        }
    }

    private void End(VmCryptException end)
    {
        lock (_gate)
        {
            _end = end;
        }

        _socket.Dispose();
        _greeting.TrySetException(end);
        _ = _greeting.Task.Exception;
        foreach (TaskCompletionSource<JsonElement> answer in _waiting.Values)
        {
            answer.TrySetException(end);
        }

        _events.Writer.TryComplete();
    }

    private async Task<T> Within<T>(Task<T> task, string what, CancellationToken cancellationToken)
    {
        await Within((Task)task, what, cancellationToken);
        return await task;
    }

    private async Task Within(Task task, string what, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(_patience, cancellationToken);
        }
        catch (TimeoutException fault)
        {
            throw new DeviceFaultException(ErrorIds.MonitorTimeout, $"The monitor did not answer within {_patience.TotalSeconds:0.#} s ({what}).", fault);
        }
    }
}
