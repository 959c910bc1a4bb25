namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Neighbouring clusters of the file, by number.</summary>
internal readonly record struct HostRun(long First, int Count);
