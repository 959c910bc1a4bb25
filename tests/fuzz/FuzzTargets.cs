using VmCrypt.Fuzz.Targets;

namespace VmCrypt.Fuzz;

/// <summary>Everything that reads what a stranger may have written.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<IFuzzTarget> All { get; } =
    [
        new Luks1Target(),
        new Luks2Target(),
        new Luks2JsonTarget(),
        new Luks2ReencryptTarget(),
        new KeyTokenTarget(),
        new QcowTarget(),
        new Qcow2Target(),
        new Qcow2WriteTarget(),
        new Qcow2ConversionTarget(),
        new VhdxTarget(),
        new VhdxLogTarget(),
        new VhdTarget(),
        new NbdClientTarget(),
        new NbdServerTarget(),
        new NbdClientSocketTarget(),
        new NbdServerSocketTarget(),
        new DiskStackTarget(),
        new NbdTlsTarget(),
        new NbdUriTarget(),
        new CipherSpecTarget(),
        new LibvirtSecretTarget(),
        new LibvirtXmlTarget(),
        new ReferenceTarget(),
        new QmpTarget(),
        new UsbRulesTarget(),
        new UsbredirTarget(),
        new NamesTarget(),
        new StoresTarget(),
        new AuditLogTarget(),
        new WipeJournalTarget(),
        new KeyStoreTarget(),
    ];
}
