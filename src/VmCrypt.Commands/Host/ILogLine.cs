namespace VmCrypt.Commands.Host;

/// <summary>Something that is told while a command goes on: on a terminal, <c>vmcrypt</c> prints its text at once, not as a row of a table.</summary>
internal interface ILogLine;
