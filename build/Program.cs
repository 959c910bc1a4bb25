using VmCrypt.Build;

var tasks = new Dictionary<string, Func<int>>(StringComparer.OrdinalIgnoreCase)
{
    ["Build"] = ProductBuild.Run,
    ["Demo"] = Demo.Run,
    ["Test"] = TestRun.Run,
    ["Test-Ceph"] = CephTest.Run,
    ["Bench"] = Bench.Run,
    ["Package"] = Package.Run,
};

if (args.Length != 1 || !tasks.TryGetValue(args[0], out Func<int>? task))
{
    Console.Error.WriteLine($"usage: build [{string.Join(" | ", tasks.Keys)}]");
    return 2;
}

try
{
    return task();
}
catch (BuildException failure)
{
    Console.Error.WriteLine($"build: {failure.Message}");
    return 1;
}
