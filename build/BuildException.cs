namespace VmCrypt.Build;

/// <summary>A step failed; the message is all that there is to say.</summary>
internal sealed class BuildException(string message) : Exception(message);
