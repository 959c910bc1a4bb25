using VmCrypt.Fuzz.Targets;

namespace VmCrypt.Fuzz;

/// <summary>Everything that reads what a stranger may have written.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<IFuzzTarget> All { get; } =
    [
        new Luks1Target(),
        new Qcow2Target(),
        new Qcow2WriteTarget(),
        new NbdClientTarget(),
        new NbdServerTarget(),
        new NbdUriTarget(),
        new CipherSpecTarget(),
        new LibvirtSecretTarget(),
        new ReferenceTarget(),
        new QmpTarget(),
        new UsbRulesTarget(),
        new UsbredirTarget(),
        new NamesTarget(),
    ];
}
