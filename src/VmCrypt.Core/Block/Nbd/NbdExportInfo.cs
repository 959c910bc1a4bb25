namespace VmCrypt.Core.Block.Nbd;

/// <summary>One line of a server's list of exports.</summary>
public sealed record NbdExportInfo(string Name, string Description);
