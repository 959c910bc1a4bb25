using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace VmCrypt.Core.Tests.Qemu;

/// <summary>A QMP peer on a unix socket that has USB devices and behaves, or misbehaves, as told.</summary>
internal sealed class FakeQemu : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Socket, object> _clients = new();
    private readonly ConcurrentDictionary<string, JsonObject> _devices = new();
    private readonly ConcurrentDictionary<string, string> _chardevs = new();
    private Socket _listener = null!;
    private string? _log;

    public FakeQemu(string path, string name = "vm01")
    {
        Path = path;
        Name = name;
        Listen();
    }

    public string Path { get; }

    public string Name { get; set; }

    /// <summary>Commands are taken and never answered.</summary>
    public bool Hangs { get; set; }

    /// <summary>device_del is accepted and nothing comes of it.</summary>
    public bool Resists { get; set; }

    /// <summary>device_del is accepted and the guest says no.</summary>
    public bool GuestRefuses { get; set; }

    /// <summary>The trace points are unknown, as in a QEMU built without them.</summary>
    public bool Untraceable { get; set; }

    /// <summary>Bytes that stand where an answer should.</summary>
    public string? Garbage { get; set; }

    /// <summary>What commands answer instead of what they should.</summary>
    public ConcurrentDictionary<string, string> Answers { get; } = new();

    public ConcurrentQueue<string> Commands { get; } = new();

    /// <summary>Called after a device is gone, before its event is sent.</summary>
    public Action<string>? Deleted { get; set; }

    public IReadOnlyCollection<string> Devices => [.. _devices.Keys.Order(StringComparer.Ordinal)];

    public JsonObject Device(string id) => _devices[id];

    /// <summary>Puts a device in, as -device or another monitor would: nobody is told but the log.</summary>
    public void Plug(string id, string type, params (string Name, JsonNode Value)[] properties)
    {
        var device = new JsonObject { ["type"] = type, ["attached"] = true, ["parent_bus"] = "/machine/peripheral/usb/usb.0" };
        foreach ((string name, JsonNode value) in properties)
        {
            device[name] = value;
        }

        _devices[id] = device;
        Log("usb_port_attach");
    }

    public void PlugChannel(string id, string? filter = null)
    {
        _chardevs[$"char{id}"] = "disconnected:tcp:127.0.0.1:4000";
        Plug(id, "usb-redir", ("chardev", $"char{id}"), ("filter", filter ?? string.Empty), ("attached", false));
    }

    /// <summary>Writes to QEMU's log, if it has one.</summary>
    public void Log(string line)
    {
        if (_log is { } log)
        {
            File.AppendAllText(log, line + "\n");
        }
    }

    /// <summary>Every monitor's connection breaks.</summary>
    public void Drop()
    {
        foreach (Socket client in _clients.Keys)
        {
            client.Dispose();
        }
    }

    /// <summary>QEMU ends, and its socket with it.</summary>
    public void Quit()
    {
        _listener.Dispose();
        File.Delete(Path);
        Drop();
    }

    /// <summary>QEMU is started again, without the devices that were plugged in later.</summary>
    public void Restart()
    {
        _devices.Clear();
        _log = null;
        Listen();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Quit();
        _stop.Dispose();
    }

    private void Listen()
    {
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen();
        _ = AcceptAsync(_listener);
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                Socket client = await listener.AcceptAsync(_stop.Token);
                _clients.TryAdd(client, new object());
                _ = ServeAsync(client);
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The listener is closed.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            Send(client, """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}""");
            using var reader = new StreamReader(new NetworkStream(client), Encoding.UTF8);
            while (await reader.ReadLineAsync(_stop.Token) is { } line)
            {
                Answer(client, JsonNode.Parse(line)!.AsObject());
            }
        }
        catch (Exception end) when (end is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The connection is closed.
        }

        _clients.TryRemove(client, out _);
        client.Dispose();
    }

    private void Answer(Socket client, JsonObject command)
    {
        string name = command["execute"]!.GetValue<string>();
        JsonObject arguments = command["arguments"] as JsonObject ?? [];
        Commands.Enqueue(name);
        if (Hangs)
        {
            return;
        }

        if (Garbage is not null)
        {
            Send(client, Garbage);
            return;
        }

        (JsonNode? result, string? error) = Answers.TryGetValue(name, out string? other) ? (JsonNode.Parse(other), null) : Execute(name, arguments);
        var answer = new JsonObject { ["id"] = command["id"]!.DeepClone() };
        if (error is null)
        {
            answer["return"] = result ?? new JsonObject();
        }
        else
        {
            answer["error"] = new JsonObject { ["class"] = error.Contains("not found", StringComparison.Ordinal) ? "DeviceNotFound" : "GenericError", ["desc"] = error };
        }

        Send(client, answer.ToJsonString());
    }

    private (JsonNode? Result, string? Error) Execute(string name, JsonObject arguments) => name switch
    {
        "qmp_capabilities" => (null, null),
        "query-name" => (new JsonObject { ["name"] = Name }, null),
        "query-uuid" => (new JsonObject { ["UUID"] = Guid.Empty.ToString() }, null),
        "query-version" => (new JsonObject { ["qemu"] = new JsonObject { ["major"] = 7, ["minor"] = 2, ["micro"] = 22 } }, null),
        "query-chardev" => (new JsonArray([.. _chardevs.Select(one => new JsonObject { ["label"] = one.Key, ["filename"] = one.Value })]), null),
        "qom-list-types" => (new JsonArray([.. new[] { "usb-storage", "usb-redir", "usb-host", "usb-tablet", "usb-hub" }.Select(type => new JsonObject { ["name"] = type })]), null),
        "qom-list" => (List(arguments["path"]!.GetValue<string>()), null),
        "qom-get" => Get(arguments["path"]!.GetValue<string>(), arguments["property"]!.GetValue<string>()),
        "qom-set" => Set(arguments["path"]!.GetValue<string>(), arguments["property"]!.GetValue<string>(), arguments["value"]!),
        "device_del" => Delete(arguments["id"]!.GetValue<string>()),
        "device_add" => Add(arguments),
        "chardev-add" => AddChardev(arguments),
        "trace-event-set-state" => Untraceable ? (null, "unknown event") : (null, null),
        "human-monitor-command" => SetLog(arguments["command-line"]!.GetValue<string>()),
        _ => (null, $"The command {name} has not been found"),
    };

    private JsonArray List(string path) => path != "/machine/peripheral" ? [] :
        [.. _devices.Select(one => new JsonObject { ["name"] = one.Key, ["type"] = $"child<{one.Value["type"]}>" })];

    private (JsonNode? Result, string? Error) Get(string path, string property)
    {
        string name = System.IO.Path.GetFileName(path);
        return path.StartsWith("/chardevs/", StringComparison.Ordinal) ? (new JsonObject { ["type"] = "inet", ["host"] = "127.0.0.1", ["port"] = "4000" }, null)
            : !_devices.TryGetValue(name, out JsonObject? device) ? (null, $"Device '{path}' not found")
            : device[property] is { } value ? (value.DeepClone(), null)
            : (null, $"Property '{property}' does not exist");
    }

    private (JsonNode? Result, string? Error) Set(string path, string property, JsonNode value)
    {
        if (!_devices.TryGetValue(System.IO.Path.GetFileName(path), out JsonObject? device))
        {
            return (null, $"Device '{path}' not found");
        }

        device[property] = value.DeepClone();
        return (null, null);
    }

    private (JsonNode? Result, string? Error) Delete(string id)
    {
        if (!_devices.TryGetValue(id, out JsonObject? device))
        {
            return (null, $"Device '{id}' not found");
        }

        string path = $"/machine/peripheral/{id}";
        if (GuestRefuses)
        {
            _ = Task.Run(() => Broadcast("DEVICE_UNPLUG_GUEST_ERROR", new JsonObject { ["device"] = id, ["path"] = path }));
        }
        else if (!Resists)
        {
            _devices.TryRemove(id, out _);
            _chardevs.TryRemove(device["chardev"]?.GetValue<string>() ?? string.Empty, out _);
            Deleted?.Invoke(id);
            _ = Task.Run(() => Broadcast("DEVICE_DELETED", new JsonObject { ["device"] = id, ["path"] = path }));
        }

        return (null, null);
    }

    private (JsonNode? Result, string? Error) Add(JsonObject arguments)
    {
        string id = arguments["id"]!.GetValue<string>();
        if (_devices.ContainsKey(id))
        {
            return (null, $"Duplicate device ID '{id}'");
        }

        if (arguments["chardev"] is { } chardev && !_chardevs.ContainsKey(chardev.GetValue<string>()))
        {
            return (null, $"Property 'usb-redir.chardev' can't find value '{chardev}'");
        }

        string type = arguments["driver"]!.GetValue<string>();
        (string, JsonNode)[] empty = type == "usb-redir" ? [("attached", false)] : [];
        Plug(id, type, [.. empty, .. arguments.Where(one => one.Key is not ("id" or "driver")).Select(one => (one.Key, one.Value!.DeepClone()))]);
        return (null, null);
    }

    private (JsonNode? Result, string? Error) AddChardev(JsonObject arguments)
    {
        JsonNode address = arguments["backend"]!["data"]!["addr"]!["data"]!;
        return _chardevs.TryAdd(arguments["id"]!.GetValue<string>(), $"disconnected:tcp:{address["host"]}:{address["port"]}") ? (null, null) : (null, "duplicate ID");
    }

    private (JsonNode? Result, string? Error) SetLog(string line)
    {
        _log = line["logfile ".Length..];
        return (string.Empty, null);
    }

    private void Broadcast(string name, JsonObject data)
    {
        foreach (Socket client in _clients.Keys)
        {
            Send(client, new JsonObject { ["timestamp"] = new JsonObject(), ["event"] = name, ["data"] = data.DeepClone() }.ToJsonString());
        }
    }

    private void Send(Socket client, string line)
    {
        try
        {
            lock (_clients.GetValueOrDefault(client) ?? client)
            {
                client.Send(Encoding.UTF8.GetBytes(line + "\r\n"));
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // Nobody listens any more.
        }
    }
}
